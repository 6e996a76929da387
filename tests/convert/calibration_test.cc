// The .8cal file, and what a conversion makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "convert/checkpoint_tools.h"
#include "convert/importance.h"
#include "io/calibration_file.h"
#include "io/small_model.h"
#include "quant/packed.h"
#include "quant/rows.h"
#include "support/checkpoint.h"
#include "support/random.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

ModelConfig config_of_test() {
  ModelConfig config = small_config();
  config.dim = 256;
  config.ffn_dim = 512;
  return config;
}

Calibration make_calibration(const ModelConfig& config, uint64_t seed, int64_t tokens = 1000) {
  std::vector<CalibratedMatrix> matrices;
  Random random(seed);
  for (const MatrixShape& shape : matrices_of(config)) {
    std::vector<float> squares = random.normals(shape.cols);
    for (float& square : squares) square = std::exp(3 * square);
    matrices.push_back({shape.name, tokens, 7, std::move(squares)});
  }
  return {config, 4096, 0x0123456789ABCDEF, std::move(matrices)};
}

std::string parse_error(const std::string& bytes) {
  return error_of([&] { Calibration::parse(std::as_bytes(std::span(bytes)), "c.8cal"); });
}

class CalibrationFile : public ::testing::Test {
 protected:
  CalibrationFile() {
    make_calibration(small_config(), 1).save(path_);
    bytes_ = read_file(path_);
  }

  /// With a checksum that fits whatever was done to it.
  static std::string sealed(std::string bytes) {
    const size_t hashed = bytes.size() - 8;
    const uint64_t checksum = XXH3_64bits(bytes.data(), hashed);
    std::memcpy(bytes.data() + hashed, &checksum, sizeof checksum);
    return bytes;
  }
  std::string with_bytes(size_t at, const void* data, size_t count) const {
    std::string bytes = bytes_;
    std::memcpy(bytes.data() + at, data, count);
    return sealed(bytes);
  }
  std::string with_text(const std::string& from, const std::string& to) const {
    EXPECT_EQ(from.size(), to.size());
    std::string bytes = bytes_;
    EXPECT_NE(bytes.find(from), std::string::npos) << from;
    return sealed(bytes.replace(bytes.find(from), from.size(), to));
  }

  const TempDir folder_;
  const std::string path_ = folder_.file("c.8cal");
  std::string bytes_;
};

TEST_F(CalibrationFile, ComesBackAsItWas) {
  const Calibration written = make_calibration(small_config(), 1);
  const Calibration read = Calibration::load(path_);
  EXPECT_EQ(read.config(), written.config());
  EXPECT_EQ(read.tokens(), 4096);
  EXPECT_EQ(read.text_hash(), 0x0123456789ABCDEFu);
  EXPECT_EQ(read.checksum(), written.checksum());
  ASSERT_EQ(read.matrices().size(), 4u + 2 * 3 + 1);
  for (const CalibratedMatrix& matrix : written.matrices()) {
    const std::span<const float> columns = read.columns(matrix.name);
    EXPECT_EQ(std::vector<float>(columns.begin(), columns.end()), matrix.mean_squares);
    EXPECT_EQ(read.find(matrix.name)->tokens, 1000);
    EXPECT_EQ(read.find(matrix.name)->forced, 7);
  }
  for (const char* name : {"embedding", "layers.0.router", "norm", "layers.1.wq", ""}) {
    EXPECT_TRUE(read.columns(name).empty()) << name;
  }
}

TEST_F(CalibrationFile, ATiedOutputIsTheEmbedding) {
  ModelConfig config = small_config();
  config.tied_output = true;
  make_calibration(config, 1).save(path_);
  const Calibration read = Calibration::load(path_);
  EXPECT_EQ(read.columns("embedding").size(), 32u);
  EXPECT_TRUE(read.columns("output").empty());
}

TEST_F(CalibrationFile, AnyChangedByteIsFound) {
  ASSERT_EQ(parse_error(bytes_), "");
  for (size_t i = 0; i < bytes_.size(); ++i) {
    std::string bytes = bytes_;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    const std::string error = parse_error(bytes);
    ASSERT_THAT(error, HasSubstr("c.8cal")) << i;
    ASSERT_EQ(error.find('\n'), std::string::npos);
  }
}

TEST_F(CalibrationFile, AnyCutIsFound) {
  for (size_t size = 0; size < bytes_.size(); size += size < 64 ? 1 : 37) {
    ASSERT_NE(parse_error(bytes_.substr(0, size)), "") << size;
  }
  EXPECT_NE(parse_error(bytes_ + '\0'), "");
}

TEST_F(CalibrationFile, LiesWithARightChecksumAreFound) {
  const float not_a_number = std::numeric_limits<float>::quiet_NaN(), negative = -1;
  EXPECT_THAT(parse_error(with_bytes(bytes_.size() - 12, &not_a_number, 4)),
              HasSubstr("output has a mean square"));
  EXPECT_THAT(parse_error(with_bytes(bytes_.size() - 12, &negative, 4)),
              HasSubstr("mean square that no input can have"));
  const uint32_t version = 2;
  EXPECT_THAT(parse_error(with_bytes(8, &version, 4)), HasSubstr("version 2"));
  EXPECT_THAT(parse_error(with_bytes(12, &version, 4)), HasSubstr("its header cannot be"));
  const uint64_t sizes[] = {0, bytes_.size(), uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 40};
  for (const uint64_t size : sizes) EXPECT_NE(parse_error(with_bytes(16, &size, 8)), "") << size;
  EXPECT_THAT(parse_error(with_text("\"layers.0.wk\"", "\"layers.0.wq\"")),
              HasSubstr("layers.0.wk with 32 columns expected"));
  EXPECT_THAT(parse_error(with_text("\"tokens\": 1000", "\"tokens\": -100")),
              HasSubstr("tokens is -100"));
  EXPECT_THAT(parse_error(with_text("\"layers\": 1", "\"layers\": 2")),
              HasSubstr("does not hold what a model of its config has"));
  EXPECT_THAT(parse_error(with_text("\"heads\": 2", "\"heads\": 0")), HasSubstr("config"));
  EXPECT_THAT(parse_error(with_text("0123456789abcdef", "0123456789abcdeX")),
              HasSubstr("text_hash"));
}

TEST(Importance, IsTheMeanSquaresDrawnTowardsEvenness) {
  CalibratedMatrix matrix = {"output", 1000000000, 0, {1, 3, 8, 0}};
  const std::vector<float> seen = importance_of(&matrix);
  ASSERT_EQ(seen.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(seen[i], matrix.mean_squares[i] / 3, 1e-6);
  matrix.tokens = 1;  // the rest of a small count does not make columns vanish
  const std::vector<float> once = importance_of(&matrix);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_GT(once[i], 0);
    EXPECT_LT(std::fabs(once[i] - 1), std::fabs(seen[i] - 1) + 1e-9) << i;
  }
  matrix.tokens = 0;
  matrix.mean_squares = {0, 0, 0, 0};
  EXPECT_TRUE(importance_of(&matrix).empty());
  EXPECT_TRUE(importance_of(nullptr).empty());
}

class CalibratedConversion : public ::testing::Test {
 protected:
  CalibratedConversion() {
    write_random_checkpoint(source(), config_, 1, Format::kF32);
    make_calibration(config_, 1).save(path_);
  }

  fs::path source() const { return folder_.path() / "source"; }
  ConvertOptions options(Format format, const std::string& calibration) const {
    ConvertOptions options;
    options.source = source().string();
    options.output = folder_.file("out.8vo");
    options.type = format_name(format);
    options.threads = 2;
    options.calibration = calibration;
    return options;
  }
  std::string converted(Format format, const std::string& calibration) const {
    convert(options(format, calibration));
    return read_file(folder_.file("out.8vo"));
  }

  /// The last row is what the quantizer alone makes of the floats' last row.
  static void expect_last_row(const TensorEntry& entry, std::string_view bytes,
                              std::string_view floats, const std::vector<float>& importance) {
    const auto row_in = [&](Format format, std::string_view matrix) {
      std::vector<float> row(static_cast<size_t>(entry.cols));
      dequantize_packed_row(format, reinterpret_cast<const std::byte*>(matrix.data()),
                            entry.rows - 1, row);
      return row;
    };
    const std::vector<float> row = row_in(Format::kF32, floats);
    std::vector<float> expected(row.size());
    std::vector<std::byte> blocks(static_cast<size_t>(row_bytes(entry.format, entry.cols)));
    quantize_row(entry.format, row, blocks.data(), importance);
    dequantize_row(entry.format, blocks.data(), expected);
    EXPECT_EQ(row_in(entry.format, bytes), expected) << entry.name;
  }

  const ModelConfig config_ = config_of_test();
  const TempDir folder_;
  const std::string path_ = folder_.file("c.8cal");
};

TEST_F(CalibratedConversion, WeighsTheScaleSearchOfEveryMatrix) {
  const std::string floats = converted(Format::kF32, "");
  const ModelDirectory float_directory = directory_of(floats);
  const Calibration calibration = Calibration::load(path_);
  for (const Format format : {Format::kQ4_K, Format::kQ4_0, Format::kQ8_0}) {
    const std::string plain = converted(format, ""), weighed = converted(format, path_);
    const ModelDirectory directory = directory_of(weighed);
    EXPECT_THAT(directory.notes, ::testing::Contains(HasSubstr("4096 tokens")));
    for (size_t i = 0; i < directory.tensors.size(); ++i) {
      const TensorEntry& entry = directory.tensors[i];
      const bool is_weighed = calibration.find(entry.name) != nullptr;
      const std::string_view bytes = tensor_bytes_of(weighed, entry);
      EXPECT_EQ(bytes != tensor_bytes_of(plain, directory_of(plain).tensors[i]), is_weighed)
          << entry.name;
      if (!is_weighed) continue;
      expect_last_row(entry, bytes, tensor_bytes_of(floats, float_directory.tensors[i]),
                      importance_of(calibration.find(entry.name)));
    }
  }
}

TEST_F(CalibratedConversion, WithoutTokensIsAsWithoutCalibration) {
  const std::string plain = converted(Format::kQ4_K, "");
  make_calibration(config_, 1, 0).save(path_);
  std::vector<CalibratedMatrix> matrices = Calibration::load(path_).matrices();
  for (CalibratedMatrix& matrix : matrices) {
    matrix.forced = 0;
    std::fill(matrix.mean_squares.begin(), matrix.mean_squares.end(), 0.0f);
  }
  Calibration(config_, 0, 0, matrices).save(path_);
  const std::string weighed = converted(Format::kQ4_K, path_);
  for (const TensorEntry& entry : directory_of(weighed).tensors) {
    const std::vector<TensorEntry> tensors = directory_of(plain).tensors;
    const auto same = std::find_if(tensors.begin(), tensors.end(), [&](const TensorEntry& other) {
      return other.name == entry.name;
    });
    EXPECT_EQ(tensor_bytes_of(weighed, entry), tensor_bytes_of(plain, *same)) << entry.name;
  }
}

TEST_F(CalibratedConversion, AnotherModelsCalibrationIsRefused) {
  ModelConfig other = config_;
  other.experts = 3;
  make_calibration(other, 1).save(path_);
  const std::string error = error_of([&] { convert(options(Format::kQ4_K, path_)); });
  EXPECT_THAT(error, HasSubstr("c.8cal was calibrated on another model"));
  EXPECT_THAT(error, HasSubstr("experts is 3 there and 2 here"));
  EXPECT_FALSE(fs::exists(folder_.file("out.8vo")));
  // What does not change the matrices may be written otherwise in another source.
  other = config_;
  other.context = 32;
  other.norm_eps = 1.0000001e-5;
  make_calibration(other, 1).save(path_);
  EXPECT_EQ(error_of([&] { convert(options(Format::kQ4_K, path_)); }), "");
}

TEST_F(CalibratedConversion, OnlyTheSameCalibrationResumes) {
  const std::string expected = converted(Format::kQ4_0, path_);
  fs::remove(folder_.file("out.8vo"));
  ConvertOptions stopped = options(Format::kQ4_0, path_);
  stopped.progress = [](int64_t done, int64_t total) { return 2 * done < total; };
  EXPECT_THAT(error_of([&] { convert(stopped); }), HasSubstr("--resume"));
  ConvertOptions resumed = options(Format::kQ4_0, path_);
  resumed.resume = true;
  make_calibration(config_, 2).save(path_);  // another one under the same name
  EXPECT_THAT(error_of([&] { convert(resumed); }), HasSubstr("another --calibration"));
  EXPECT_THAT(error_of([&] {
                ConvertOptions plain = resumed;
                plain.calibration.clear();
                convert(plain);
              }),
              HasSubstr("another --calibration, or one of the runs has none"));
  make_calibration(config_, 1).save(path_);
  convert(resumed);
  EXPECT_EQ(read_file(folder_.file("out.8vo")), expected);
}

}  // namespace
}  // namespace octavo::test
