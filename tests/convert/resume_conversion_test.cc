// Conversions that are stopped and continued give the bytes of one that ran through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convert/checkpoint_tools.h"
#include "io/small_model.h"
#include "support/checkpoint.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ResumeConversion : public ::testing::Test {
 protected:
  void SetUp() override {
    ModelConfig config = small_config();
    config.layers = 3;
    config.vocab = 500;
    write_random_checkpoint(source(), config, 1, Format::kBF16);
    convert(options());
    expected = read_file(output());
    fs::remove(output());
  }

  fs::path source() const { return folder.path() / "source"; }
  std::string output() const { return folder.file("out.8vo"); }
  std::string part() const { return output() + ".part"; }
  ConvertOptions options() const {
    ConvertOptions result;
    result.source = source().string();
    result.output = output();
    result.type = "q4_0";
    result.threads = 2;
    return result;
  }
  // Stops once `share` of the source is read; returns the message.
  std::string stop_at(double share, bool resume = false) const {
    ConvertOptions stopped = options();
    stopped.resume = resume;
    stopped.progress = [share](int64_t done, int64_t total) {
      return static_cast<double>(done) < share * static_cast<double>(total);
    };
    return error_of([&] { convert(stopped); });
  }
  // Goes on to the end; returns the share of the source that was there at the first report.
  double go_on() const {
    ConvertOptions resumed = options();
    resumed.resume = true;
    double first = -1;
    int64_t last = 0, all = 0;
    resumed.progress = [&](int64_t done, int64_t total) {
      if (first < 0) first = static_cast<double>(done) / static_cast<double>(total);
      last = done, all = total;
      return true;
    };
    convert(resumed);
    EXPECT_EQ(last, all);
    EXPECT_EQ(read_file(output()), expected);
    EXPECT_FALSE(fs::exists(part()));
    EXPECT_FALSE(fs::exists(part() + ".journal"));
    return first;
  }

  const TempDir folder;
  std::string expected;
};

TEST_F(ResumeConversion, GivesTheSameBytesFromAnywhere) {
  for (const double share : {0.05, 0.3, 0.5, 0.95, 1.0}) {
    fs::remove(output());
    EXPECT_THAT(stop_at(share), AllOf(HasSubstr("--resume"), HasSubstr(part())));
    EXPECT_FALSE(fs::exists(output()));
    go_on();
  }
}

TEST_F(ResumeConversion, InManySteps) {
  for (const double share : {0.2, 0.4, 0.6, 0.8}) stop_at(share, true);
  EXPECT_GT(go_on(), 0);
}

TEST_F(ResumeConversion, AnotherThreadCountMayGoOn) {
  stop_at(0.5);
  ConvertOptions resumed = options();
  resumed.resume = true;
  resumed.threads = 5;
  convert(resumed);
  EXPECT_EQ(read_file(output()), expected);
}

TEST_F(ResumeConversion, WithoutItStartsAnew) {
  stop_at(0.5);
  convert(options());
  EXPECT_EQ(read_file(output()), expected);
  EXPECT_FALSE(fs::exists(part()));
}

TEST_F(ResumeConversion, ChangedOptionsAreRefused) {
  stop_at(0.5);
  ConvertOptions changed = options();
  changed.resume = true;
  changed.type = "q8_0";
  EXPECT_THAT(error_of([&] { convert(changed); }), HasSubstr("other types"));
  changed = options();
  changed.resume = true;
  changed.type_for = {{"output", "f16"}};
  EXPECT_THAT(error_of([&] { convert(changed); }), HasSubstr("other types"));
  changed = options();
  changed.resume = true;
  changed.window = 5;
  EXPECT_THAT(error_of([&] { convert(changed); }), HasSubstr("another window"));
  go_on();
}

// Only when there was something to hope for.
TEST_F(ResumeConversion, NothingToResumeIsSaid) {
  std::vector<std::string> warnings;
  ConvertOptions resumed = options();
  resumed.warn = [&](const std::string& line) { warnings.push_back(line); };
  convert(resumed);
  resumed.resume = true;
  stop_at(0.5);
  convert(resumed);
  EXPECT_THAT(warnings, testing::IsEmpty());
  convert(resumed);
  EXPECT_THAT(warnings,
              testing::ElementsAre(AllOf(HasSubstr("nothing to resume"), HasSubstr(part()))));
  EXPECT_EQ(read_file(output()), expected);
}

TEST_F(ResumeConversion, AChangedSourceIsRefused) {
  stop_at(0.5);
  const fs::path file = source() / "model.safetensors";
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(1));
  ConvertOptions resumed = options();
  resumed.resume = true;
  EXPECT_THAT(error_of([&] { convert(resumed); }), HasSubstr("source that has changed"));
  fs::last_write_time(file, fs::last_write_time(file) - std::chrono::seconds(1));
  go_on();
}

// A value that is no number ends it for good, also when it comes after an interruption.
TEST_F(ResumeConversion, ABadValueLeavesNothing) {
  const fs::path file = source() / "model.safetensors";
  const fs::file_time_type time = fs::last_write_time(file);
  stop_at(0.5);
  std::string bytes = read_file(file);
  bytes[bytes.size() - 2] = '\x80';
  bytes[bytes.size() - 1] = '\x7F';
  write_file(file, bytes);
  fs::last_write_time(file, time);
  ConvertOptions resumed = options();
  resumed.resume = true;
  EXPECT_THAT(error_of([&] { convert(resumed); }), HasSubstr("no finite number"));
  EXPECT_FALSE(fs::exists(output()));
  EXPECT_FALSE(fs::exists(part()));
  EXPECT_FALSE(fs::exists(part() + ".journal"));
}

}  // namespace
}  // namespace octavo::test
