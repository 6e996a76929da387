// OCTAVO_ISA and -t, as a user sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "simd/kernels.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

/// OCTAVO_ISA of the programs that are started while it lives.
class InstructionSet {
 public:
  explicit InstructionSet(const std::string& name) {
    if (const char* before = std::getenv(kVariable)) before_ = before, was_set_ = true;
    ::setenv(kVariable, name.c_str(), 1);
  }
  ~InstructionSet() {
    if (was_set_) {
      ::setenv(kVariable, before_.c_str(), 1);
    } else {
      ::unsetenv(kVariable);
    }
  }
  InstructionSet(const InstructionSet&) = delete;
  InstructionSet& operator=(const InstructionSet&) = delete;

 private:
  static constexpr const char* kVariable = "OCTAVO_ISA";
  std::string before_;
  bool was_set_ = false;
};

class InstructionSetTest : public testing::Test {
 protected:
  Outcome bench(const std::string& threads) const {
    return run_program({"bench", pocket_.path(), "-p", "4", "-n", "1", "-r", "1", "-t", threads,
                        "--json"});
  }
  Outcome perplexity() const {
    write_file(pocket_.file("text.txt"), "The river ran down to the old town by the sea.");
    return run_program({"perplexity", pocket_.path(), "-f", pocket_.file("text.txt"), "--ctx", "8"});
  }
  Outcome run(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"run", pocket_.path(), "-p", "The", "-n", "3", "--temp",
                                          "0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }

  const ConvertedPocket pocket_{"q4_k"};
};

TEST_F(InstructionSetTest, EveryOneOfTheMachineIsTakenAndNamed) {
  for (const Kernels* table : all_kernels()) {
    const InstructionSet set(isa_name(*table));
    SCOPED_TRACE(isa_name(*table));
    const Outcome text = run({"--stats"});
    EXPECT_EQ(text.exit_code, 0) << text.err;
    EXPECT_THAT(text.err, HasSubstr("cpu, " + std::string(table->name) + ","));
    const Outcome score = perplexity();
    EXPECT_EQ(score.exit_code, 0) << score.err;
    EXPECT_THAT(score.out, HasSubstr(" ± "));
  }
}

TEST_F(InstructionSetTest, BenchReportsTheOneItMeasured) {
  for (const Kernels* table : {all_kernels().front(), all_kernels().back()}) {
    const InstructionSet set(isa_name(*table));
    const Outcome outcome = bench("1");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["isa"], table->name);
  }
}

TEST_F(InstructionSetTest, OneThatTheMachineLacksIsNamedWithThoseItHas) {
  std::vector<std::string> absent = {"abacus", "", "avx", "scalar-"};
  for (const char* name : {"amx", "avx512", "neon"}) {
    if (find_kernels(name) == nullptr) absent.emplace_back(name);
  }
  for (const std::string& name : absent) {
    const InstructionSet set(name);
    for (const Outcome& outcome : {run(), bench("1"), perplexity()}) {
      EXPECT_EQ(outcome.exit_code, 1) << name;
      EXPECT_EQ(outcome.out, "") << name;
      EXPECT_THAT(outcome.err, testing::StartsWith("octavo: OCTAVO_ISA is '" + name + "'"));
      EXPECT_THAT(outcome.err, HasSubstr(isa_name(*all_kernels().front())));
      EXPECT_THAT(outcome.err, HasSubstr("scalar"));
      EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    }
  }
}

TEST_F(InstructionSetTest, MoreThreadsThanProcessorsAreFine) {
  const Outcome outcome = bench("5");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["threads"], 5);
  const Outcome text = run({"-t", "5"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out, run().out);
}

}  // namespace
}  // namespace octavo::test
