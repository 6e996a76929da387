// octavo bench: what it reports, not how fast anything is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "octavo/octavo.hpp"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

TEST(BenchCommandTest, JsonHasTheFigures) {
  const ConvertedPocket pocket;
  const Outcome outcome =
      run_program({"bench", pocket.path(), "-p", "16", "-n", "4", "-r", "2", "-t", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_EQ(json["isa"].get<std::string>().empty(), false);
  EXPECT_EQ(json["prefill_tok_s_all"].size(), 2u);
  EXPECT_EQ(json["decode_tok_s_all"].size(), 2u);
  for (const char* key : {"prefill_tok_s", "decode_tok_s", "stream_gb_s", "float_gflop_s",
                          "int8_gop_s", "decode_share_of_stream"}) {
    EXPECT_GT(json[key].get<double>(), 0) << key;
  }
}

TEST(BenchCommandTest, BytesOfATokenAreItsWeightsAndKeys) {
  const ConvertedPocket pocket("q4_k");
  const auto bytes = [&](const char* depth) {
    const Outcome outcome = run_program(
        {"bench", pocket.path(), "-p", "0", "-n", "1", "-d", depth, "-r", "1", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out)["bytes_per_token"].get<double>();
  };
  // 100 more keys and values: 6 layers of 2 heads of 32, f16.
  EXPECT_DOUBLE_EQ(bytes("100") - bytes("0"), 100 * 2 * 6 * 2 * 32 * 2);
  // A q4_k token takes two of eight experts at 4.5 bits: between the active weights and the whole.
  EXPECT_GT(bytes("0"), 4.0e6 * 4.5 / 8 * 0.9);
  EXPECT_LT(bytes("0"), 12.5e6 * 4.5 / 8);
}

TEST(BenchCommandTest, WithoutPrefillOrDecode) {
  const ConvertedPocket pocket;
  const Outcome outcome = run_program({"bench", pocket.path(), "-p", "4", "-n", "0", "-r", "1"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("prefill  4 tokens"));
  EXPECT_EQ(outcome.out.find("decode"), std::string::npos);
}

TEST(BenchCommandTest, UnknownDevice) {
  const ConvertedPocket pocket;
  const Outcome outcome = run_program({"bench", pocket.path(), "--device", "abacus"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("unknown device 'abacus'"));
}

}  // namespace
}  // namespace octavo::test
