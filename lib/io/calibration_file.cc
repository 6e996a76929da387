#include "io/calibration_file.h"

#include <xxhash.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/json_fields.h"
#include "io/mapped_file.h"
#include "io/model_file.h"
#include "io/partial_file.h"

namespace octavo {
namespace {

using nlohmann::json;

constexpr char kMagic[8] = {'O', 'C', 'T', 'C', 'A', 'L', '\r', '\n'};
constexpr uint32_t kVersion = 1;

// The first 32 bytes, little-endian, without padding. Behind it: the JSON, zeros up to a multiple
// of 4, the float32 of every matrix, and the XXH3-64 of all that.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t reserved;  // 0
  uint64_t json_bytes;
  uint64_t file_bytes;
};
static_assert(sizeof(Header) == 32);

// Enough for any model that a config may describe.
constexpr uint64_t kMostJsonBytes = uint64_t{256} << 20;

uint64_t word_up(uint64_t bytes) { return (bytes + 3) / 4 * 4; }

Header read_header(std::span<const std::byte> bytes, const std::string& name) {
  Header header;
  if (bytes.size() < sizeof header || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    fail(ErrorCode::kFormat, "{} is no calibration file of octavo calibrate", name);
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != kVersion) {
    fail(ErrorCode::kUnsupported,
         "{} is a calibration file of version {}, this octavo reads version {}; calibrate again",
         name, header.version, kVersion);
  }
  if (header.file_bytes != bytes.size()) {
    fail(ErrorCode::kFormat, "{} has {} bytes instead of {}: it was cut short or is damaged", name,
         bytes.size(), header.file_bytes);
  }
  const uint64_t room = bytes.size() - sizeof header;
  const bool is_sized = header.json_bytes <= kMostJsonBytes && header.json_bytes <= room &&
                        word_up(header.json_bytes) + sizeof(uint64_t) <= room;
  if (header.reserved != 0 || !is_sized) {
    fail(ErrorCode::kFormat, "{} is damaged: its header cannot be", name);
  }
  uint64_t checksum;
  const size_t hashed = bytes.size() - sizeof checksum;
  std::memcpy(&checksum, bytes.data() + hashed, sizeof checksum);
  if (checksum != XXH3_64bits(bytes.data(), hashed)) {
    fail(ErrorCode::kFormat, "{} is damaged: its checksum is wrong; calibrate again", name);
  }
  return header;
}

int64_t read_count(const JsonFields& fields, const char* key, const std::string& where) {
  const int64_t count = fields.integer(key);
  if (count < 0) fail(ErrorCode::kFormat, "{}: {} is {}, less than nothing", where, key, count);
  return count;
}

uint64_t read_hash(const JsonFields& fields, const std::string& name) {
  const std::string text = fields.string("text_hash");
  const bool is_hash =
      text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hash) fail(ErrorCode::kFormat, "{}: text_hash is no hash", name);
  return std::stoull(text, nullptr, 16);
}

CalibratedMatrix read_matrix(const json& object, const MatrixShape& shape,
                             const std::string& name) {
  const std::string where = fmt::format("{}: {}", name, shape.name);
  const JsonFields fields(object, where);
  CalibratedMatrix matrix;
  matrix.name = fields.string("name");
  if (matrix.name != shape.name || fields.integer("cols") != shape.cols) {
    fail(ErrorCode::kFormat, "{} with {} columns expected, found something else", where,
         shape.cols);
  }
  matrix.tokens = read_count(fields, "tokens", where);
  matrix.forced = read_count(fields, "forced", where);
  return matrix;
}

void read_values(std::span<const std::byte> bytes, const std::string& name,
                 CalibratedMatrix& matrix) {
  std::memcpy(matrix.mean_squares.data(), bytes.data(), bytes.size());
  for (const float value : matrix.mean_squares) {
    if (std::isfinite(value) && value >= 0) continue;
    fail(ErrorCode::kFormat, "{}: {} has a mean square that no input can have", name, matrix.name);
  }
}

void append(std::string& bytes, const void* data, size_t count) {
  bytes.append(static_cast<const char*>(data), count);
}

// What decides which matrices there are and what goes through them, by name.
json identity(const ModelConfig& config) {
  json all = to_json(config);
  // Sources of one model may say these in other words.
  for (const char* key : {"context", "window", "rope_theta", "norm_eps", "bos", "eos"}) {
    all.erase(key);
  }
  return all;
}

}  // namespace

std::vector<MatrixShape> matrices_of(const ModelConfig& config) {
  std::vector<MatrixShape> shapes;
  for (const TensorEntry& entry : tensor_plan(config)) {
    const bool is_table = entry.name == "embedding" && !config.tied_output;
    if (entry.order == Order::kPlain || is_table || entry.name.ends_with(".router")) continue;
    shapes.push_back({entry.name, entry.cols});
  }
  return shapes;
}

Calibration::Calibration(const ModelConfig& config, int64_t tokens, uint64_t text_hash,
                         std::vector<CalibratedMatrix> matrices)
    : config_(config), tokens_(tokens), text_hash_(text_hash), matrices_(std::move(matrices)) {
  for (size_t i = 0; i < matrices_.size(); ++i) index_[matrices_[i].name] = i;
}

Calibration Calibration::load(const std::string& path) {
  const MappedFile file(path);
  return parse(file.bytes(), path);
}

Calibration Calibration::parse(std::span<const std::byte> bytes, const std::string& name) {
  const Header header = read_header(bytes, name);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header,
                              header.json_bytes);
  const json root = parse_json(text, name);
  const JsonFields fields(root, name);
  ModelConfig config;
  try {
    config = config_from_json(root.contains("config") ? root["config"] : json());
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", name, error.what());
  }
  const json& list = fields.array("matrices");
  const std::vector<MatrixShape> shapes = matrices_of(config);
  uint64_t end = sizeof header + word_up(header.json_bytes);
  for (const MatrixShape& shape : shapes) end += 4 * static_cast<uint64_t>(shape.cols);
  if (list.size() != shapes.size() || end + sizeof(uint64_t) != bytes.size()) {
    fail(ErrorCode::kFormat, "{} does not hold what a model of its config has", name);
  }
  std::vector<CalibratedMatrix> matrices;
  size_t at = sizeof header + word_up(header.json_bytes);
  for (size_t i = 0; i < shapes.size(); ++i) {
    matrices.push_back(read_matrix(list[i], shapes[i], name));
    matrices.back().mean_squares.resize(static_cast<size_t>(shapes[i].cols));
    const size_t size = 4 * matrices.back().mean_squares.size();
    read_values(bytes.subspan(at, size), name, matrices.back());
    at += size;
  }
  return {config, read_count(fields, "tokens", name), read_hash(fields, name), std::move(matrices)};
}

std::string Calibration::bytes() const {
  json list = json::array();
  for (const CalibratedMatrix& matrix : matrices_) {
    list.push_back({{"name", matrix.name},
                    {"cols", matrix.mean_squares.size()},
                    {"tokens", matrix.tokens},
                    {"forced", matrix.forced}});
  }
  const std::string text = json{
      {"config", to_json(config_)},
      {"tokens", tokens_},
      {"text_hash", fmt::format("{:016x}", text_hash_)},
      {"matrices",
       std::move(list)}}.dump(1);
  Header header = {{}, kVersion, 0, text.size(), 0};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::string result(sizeof header, '\0');
  result += text;
  result.resize(sizeof header + word_up(text.size()));
  for (const CalibratedMatrix& matrix : matrices_) {
    append(result, matrix.mean_squares.data(), 4 * matrix.mean_squares.size());
  }
  header.file_bytes = result.size() + sizeof(uint64_t);
  std::memcpy(result.data(), &header, sizeof header);
  const uint64_t checksum = XXH3_64bits(result.data(), result.size());
  append(result, &checksum, sizeof checksum);
  return result;
}

void Calibration::save(const std::string& path) const {
  const std::string content = bytes();
  PartialFile file(path);
  file.reserve(0, static_cast<int64_t>(content.size()));
  file.write_at(0, std::as_bytes(std::span(content)));
  file.publish();
}

const CalibratedMatrix* Calibration::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &matrices_[found->second];
}

std::span<const float> Calibration::columns(std::string_view name) const {
  const CalibratedMatrix* const matrix = find(name);
  return matrix == nullptr ? std::span<const float>() : matrix->mean_squares;
}

uint64_t Calibration::checksum() const {
  const std::string content = bytes();
  return XXH3_64bits(content.data(), content.size());
}

void Calibration::check_fits(const ModelConfig& model_config, const std::string& name,
                             const std::string& model) const {
  const json mine = identity(config_), theirs = identity(model_config);
  for (const auto& [key, value] : mine.items()) {
    if (value == theirs[key]) continue;
    fail(ErrorCode::kInvalidArgument,
         "{} was calibrated on another model than {}: {} is {} there and {} here", name, model, key,
         value.dump(), theirs[key].dump());
  }
}

}  // namespace octavo
