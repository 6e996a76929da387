// octavo calibrate, and convert --calibration, as a user meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cli/program.h"
#include "io/calibration_file.h"
#include "octavo/octavo.hpp"
#include "support/expected_calibration.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

constexpr int64_t kContext = 24;
// float32 against double through six layers; rounding moves a mean square by twice that of a value.
constexpr double kTolerance = 1e-4;

class CalibrateCommandTest : public testing::Test {
 protected:
  CalibrateCommandTest() {
    const std::string text = read_file(OCTAVO_SOURCE_DIR "/LICENSE");
    write_file(first_, text.substr(300, 600));
    write_file(second_, text.substr(4000, 300));
  }

  Outcome calibrate(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {
        "calibrate", pocket_.path(), "-f",    first_,
        "--out",     out_,           "--ctx", std::to_string(kContext)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }

  /// Chunks of a text, the first token of each BOS.
  void add_chunks(const Model& model, const std::string& file, ExpectedCalibration& expected) {
    const std::vector<int32_t> ids = model.tokenize(read_file(file));
    for (size_t first = 0; first + kContext <= ids.size(); first += kContext) {
      const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(first);
      std::vector<int32_t> chunk(begin, begin + kContext);
      chunk[0] = model.info().bos;
      expected.add(chunk);
      tokens_ += kContext;
    }
  }

  static void expect_equal(const Calibration& actual, const ExpectedCalibration& expected) {
    ASSERT_EQ(actual.matrices().size(), expected.inputs().size());
    for (const auto& [name, inputs] : expected.inputs()) {
      const CalibratedMatrix* const matrix = actual.find(name);
      ASSERT_NE(matrix, nullptr) << name;
      EXPECT_EQ(matrix->tokens, inputs.tokens) << name;
      EXPECT_EQ(matrix->forced, inputs.forced) << name;
      const auto cols = static_cast<int64_t>(matrix->mean_squares.size());
      EXPECT_LT(relative_rms(to_matrix(matrix->mean_squares, 1, cols), inputs.mean()), kTolerance)
          << name;
    }
  }

  const ConvertedPocket pocket_{"f32"};
  const std::string first_ = pocket_.file("first.txt"), second_ = pocket_.file("second.txt");
  const std::string out_ = pocket_.file("out.8cal");
  int64_t tokens_ = 0;
};

TEST_F(CalibrateCommandTest, FindsWhatTheReferenceModelFindsAndForcesTheNearest) {
  constexpr int64_t kLeast = 70;
  const Outcome outcome = calibrate(
      {"-f", second_, "--min-tokens", std::to_string(kLeast), "--floor", "force", "-t", "1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");

  const ModelFile file(pocket_.path());
  const ReferenceModel reference(file);
  ExpectedCalibration expected(reference, file.config());
  const Model model = Model::open(pocket_.path());
  add_chunks(model, first_, expected);
  add_chunks(model, second_, expected);
  ASSERT_GT(tokens_, 5 * kContext);
  const int64_t starving = expected.force(kLeast);
  ASSERT_GT(starving, 5);
  const Calibration actual = Calibration::load(out_);
  EXPECT_EQ(actual.tokens(), tokens_);
  EXPECT_EQ(actual.config(), file.config());
  expect_equal(actual, expected);
  for (const CalibratedMatrix& matrix : actual.matrices()) {
    EXPECT_GE(matrix.tokens + matrix.forced, kLeast) << matrix.name;
  }
  const std::string line = "experts that saw fewer than 70 tokens:\n";
  ASSERT_THAT(outcome.out, HasSubstr(line));
  const std::string list = outcome.out.substr(outcome.out.find(line) + line.size());
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), starving + 1);
}

TEST_F(CalibrateCommandTest, RefusesExpertsBelowTheFloor) {
  const Outcome outcome = calibrate({"--min-tokens", "60"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("experts that saw fewer than 60 tokens:\n  layer 0 expert "));
  EXPECT_THAT(outcome.err, testing::MatchesRegex("octavo: layer 0 expert [0-7] saw [0-9]+ tokens, "
                                                 "fewer than 60, and [0-9]+ more.*\n"));
  EXPECT_FALSE(std::filesystem::exists(out_));
  EXPECT_FALSE(std::filesystem::exists(out_ + ".part"));
}

TEST_F(CalibrateCommandTest, GivesTheSameBytesAgain) {
  ASSERT_EQ(calibrate({"--min-tokens", "0", "--chunks", "2", "-t", "1"}).exit_code, 0);
  const std::string bytes = read_file(out_);
  ASSERT_EQ(calibrate({"--min-tokens", "0", "--chunks", "2", "-t", "1"}).exit_code, 0);
  EXPECT_EQ(read_file(out_), bytes);
  EXPECT_EQ(Calibration::load(out_).tokens(), 2 * kContext);
}

TEST_F(CalibrateCommandTest, SaysWhatIsWrong) {
  const auto expect_line = [](const Outcome& outcome, const std::string& what) {
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(what));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  };
  expect_line(calibrate({"--min-tokens", "5000", "--floor", "force"}), "fewer than the 5000");
  expect_line(calibrate({"-f", "/nowhere.txt"}), "/nowhere.txt");
  expect_line(run_program({"calibrate", pocket_.path(), "-f", second_, "--out", out_}),
              "fewer than one chunk of 512");
  const std::vector<std::string> convert = {"convert", pocket_mixtral().string(), "--to",
                                            pocket_.file("x.8vo"), "--calibration"};
  const auto converted = [&](const std::string& calibration) {
    std::vector<std::string> arguments = convert;
    arguments.push_back(calibration);
    return run_program(arguments);
  };
  expect_line(converted(first_), "is no calibration file");
  expect_line(converted("/nowhere.8cal"), "/nowhere.8cal");
  EXPECT_FALSE(std::filesystem::exists(pocket_.file("x.8vo")));
}

TEST_F(CalibrateCommandTest, AWrongCommandLineIsExitCode2) {
  EXPECT_EQ(calibrate({"--floor", "both"}).exit_code, 2);
  EXPECT_EQ(calibrate({"--min-tokens", "-1"}).exit_code, 2);
  EXPECT_EQ(calibrate({"--chunks", "0"}).exit_code, 2);
  EXPECT_EQ(run_program({"calibrate", pocket_.path(), "-f", first_}).exit_code, 2);
  EXPECT_EQ(run_program({"calibrate", pocket_.path(), "--out", out_}).exit_code, 2);
}

}  // namespace
}  // namespace octavo::test
