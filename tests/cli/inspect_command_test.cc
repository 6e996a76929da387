// inspect as a user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/program.h"
#include "convert/checkpoint_tools.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class InspectCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file(path, convert_folder(test_data("tiny-mixtral/hf"), Format::kQ8_0));
  }
  const TempDir folder;
  const std::string path = folder.file("m.8vo");
};

TEST_F(InspectCommand, JsonHasEverything) {
  const Outcome outcome = run_program({"inspect", path, "--json", "--verify"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const nlohmann::json report = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(report["config"]["experts"], 8);
  EXPECT_EQ(report["type"], "q8_0");
  EXPECT_EQ(report["verified"], true);
  EXPECT_EQ(report["tensors"].size(), 65u);
  EXPECT_EQ(report["bytes"], fs::file_size(path));
  EXPECT_GT(report["bits_per_weight"], 8.5);
  const int64_t layer = 2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 8 * 64 + 8 * 3 * 64 * 128;
  EXPECT_EQ(report["weights"], 2 * 128 * 64 + 2 * layer + 64);
  EXPECT_EQ(report["has_tokenizer"], false);
}

TEST_F(InspectCommand, TableHasFormatsAndTheMap) {
  const Outcome outcome = run_program({"inspect", path, "--verify"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const ModelFile file(path);
  const int64_t layer = file.directory().tensors[1].offset;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("8 experts of 128, 2 a token"), HasSubstr("bits a weight"),
                    HasSubstr("layers.[0-1].experts.[0-7].{w1,w3,w2}"), HasSubstr("file map"),
                    HasSubstr(std::to_string(layer)), HasSubstr("checksums are right")));
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST_F(InspectCommand, VerifyNamesTheDamagedTensor) {
  std::string bytes = read_file(path);
  const ModelDirectory directory = directory_of(bytes);
  const TensorEntry& entry = directory.tensors[20];
  char& byte = bytes[static_cast<size_t>(entry.offset + 100)];
  byte = static_cast<char>(byte ^ 0x10);
  write_file(path, bytes);
  EXPECT_EQ(run_program({"inspect", path}).exit_code, 0);  // the directory is whole
  const Outcome outcome = run_program({"inspect", path, "--verify"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(path), HasSubstr(entry.name)));
}

TEST_F(InspectCommand, CutShortFile) {
  const std::string bytes = read_file(path);
  write_file(path, bytes.substr(0, bytes.size() - 5000));
  const Outcome outcome = run_program({"inspect", path});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(path), HasSubstr("cut short")));
  EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace octavo::test
