// octavo bench: what it reports, not how fast anything is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/device_comparison.h"
#include "cli/program.h"
#include "cli/xml_check.h"
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
  for (const char* key :
       {"prefill_tok_s", "decode_tok_s", "bytes_per_token", "stream_gb_s", "float_gflop_s",
        "int8_gop_s", "prefill_share_of_peak", "decode_share_of_stream"}) {
    EXPECT_GT(json[key].get<double>(), 0) << key;
  }
  EXPECT_FALSE(json.contains("decode_ops"));
}

TEST(BenchCommandTest, TheMachineIsMeasuredTwiceAndUnitByUnit) {
  const ConvertedPocket pocket("q8_0");
  const Outcome outcome =
      run_program({"bench", pocket.path(), "-p", "8", "-n", "1", "-r", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["stream_gb_s"], std::max(json["stream_gb_s_before"].get<double>(),
                                          json["stream_gb_s_after"].get<double>()));
  EXPECT_EQ(json["prefill_unit"], "int8");
  const auto& units = json["units_gop_s"];
  EXPECT_GE(json["int8_gop_s"], units["int8"]);
  EXPECT_EQ(json["float_gflop_s"], units["f32"]);
  const double rate = json["prefill_gop_s"];
  EXPECT_DOUBLE_EQ(json["prefill_share_of_peak"], rate / json["int8_gop_s"].get<double>());
  if (json["bf16_gflop_s"].is_null()) {
    EXPECT_TRUE(json["prefill_share_of_bf16_peak"].is_null());
  } else {
    EXPECT_DOUBLE_EQ(json["prefill_share_of_bf16_peak"], rate / json["bf16_gflop_s"].get<double>());
  }
}

TEST(BenchCommandTest, StatsAreOfOnePrefillAndAllTokens) {
  const ConvertedPocket pocket;
  const std::vector<std::string> arguments = {"bench", pocket.path(), "-p", "8", "-n",     "4",
                                              "-d",    "16",          "-r", "2", "--stats"};
  const Outcome text = run_program(arguments);
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("prefill of 8"));
  EXPECT_THAT(text.out, HasSubstr("decode, a token"));
  EXPECT_THAT(text.out, HasSubstr("moe_ffn"));

  std::vector<std::string> with_json = arguments;
  with_json.push_back("--json");
  const auto json = nlohmann::json::parse(run_program(with_json).out);
  const auto calls = [](const nlohmann::json& ops, const char* name) {
    for (const auto& op : ops) {
      if (op["op"] == name) return op["calls"].get<int>();
    }
    return 0;
  };
  EXPECT_EQ(calls(json["prefill_ops"], "moe_ffn"), 6);  // layers
  EXPECT_EQ(calls(json["decode_ops"], "moe_ffn"), 4 * 6);
  EXPECT_EQ(calls(json["decode_ops"], "embed"), 4);
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

TEST(BenchCommandTest, NothingToMeasure) {
  const Outcome outcome = run_program({"bench", "m.8vo", "-p", "0", "-n", "0"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("nothing to measure"));
}

TEST(BenchCommandTest, UnknownDevice) {
  const ConvertedPocket pocket;
  const Outcome outcome = run_program({"bench", pocket.path(), "--device", "abacus"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("unknown device 'abacus'"));
}

TEST(BenchCommandTest, DrawsBars) {
  const ConvertedPocket pocket;
  const TempDir folder;
  const std::string svg = folder.file("bench.svg");
  const Outcome outcome = run_program(
      {"bench", pocket.path(), "-p", "4", "-n", "2", "-r", "1", "--svg", svg, "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string drawn = read_file(svg);
  EXPECT_EQ(xml_problem(drawn), "");
  EXPECT_THAT(drawn, HasSubstr("decode behind 0"));
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_GT(json["device_bytes"].get<int64_t>(), 0);
  EXPECT_GT(json["open_seconds"].get<double>(), 0);
}

TEST(BenchCommandTest, DevicesAreNamedOnceAndKnown) {
  const ConvertedPocket pocket;
  const Outcome twice = run_program({"bench", pocket.path(), "--device", "cpu,cpu"});
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_THAT(twice.err, HasSubstr("each one once"));
  const Outcome unknown = run_program({"bench", pocket.path(), "--device", "cpu,abacus"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_EQ(unknown.out, "");
  EXPECT_THAT(unknown.err, HasSubstr("unknown device 'abacus'"));
}

// Two columns from figures that are given: a second device may not be here.
TEST(BenchCommandTest, DevicesStandSideBySide) {
  cli::BenchArguments arguments;
  arguments.model.path = "mixtral.8vo";
  cli::BenchResult slow;
  slow.device = "cpu";
  slow.description = "cpu, avx2, 2 processors";
  slow.format = "q4_k";
  slow.cache_type = "f16";
  slow.machine.isa = "avx2";
  slow.machine.stream.gb_s = 50;
  slow.machine.units.push_back({"int8", 2000});
  slow.prefill = {100, 90, 110};
  slow.decode = {10};
  slow.prefill_operations = 1e9;
  slow.decode_bytes = 2.5e9;
  slow.device_bytes = int64_t{3} << 20;
  cli::BenchResult fast = slow;
  fast.device = "cpu";  // its units are the CPU's
  fast.prefill = {4000};
  fast.decode = {15};
  const std::vector<cli::BenchResult> results = {slow, fast};
  const std::string text = cli::comparison_text(arguments, results);
  EXPECT_THAT(text,
              HasSubstr("prefill of 512, tok/s                   100.0       4000.0        40.00"));
  EXPECT_THAT(text, HasSubstr("of the matrix peak, %                     5          200\n"));
  EXPECT_THAT(text,
              HasSubstr("decode behind 0, tok/s                   10.0         15.0         1.50"));
  EXPECT_THAT(text, HasSubstr("of the memory's speed, %                 50           75\n"));
  EXPECT_THAT(text, HasSubstr("memory, MiB                                 3            3\n"));
  const auto json = cli::comparison_json(arguments, results);
  EXPECT_EQ(json["devices"].size(), 2u);
  EXPECT_DOUBLE_EQ(json["ratios"][0]["prefill"], 40);
  EXPECT_DOUBLE_EQ(json["ratios"][0]["decode"], 1.5);
  EXPECT_EQ(xml_problem(cli::bench_svg(arguments, results)), "");
}

}  // namespace
}  // namespace octavo::test
