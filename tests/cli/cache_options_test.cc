// --chunk and --kv-type, which several commands share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/program.h"
#include "support/npy.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

const std::string kLicence = OCTAVO_SOURCE_DIR "/LICENSE";

/// What a command line makes of the options.
cli::ModelArguments parsed(const std::vector<std::string>& arguments) {
  CLI::App app;
  cli::ModelArguments result;
  cli::add_cache_options(app, result);
  app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  return result;
}

TEST(CacheOptionsTest, ReachTheSession) {
  const SessionOptions usual = cli::session_options(parsed({}));
  EXPECT_EQ(usual.chunk, SessionOptions{}.chunk);
  EXPECT_EQ(usual.cache, CacheType::kAuto);
  const SessionOptions given = cli::session_options(parsed({"--chunk", "33", "--kv-type", "bf16"}));
  EXPECT_EQ(given.chunk, 33);
  EXPECT_EQ(given.cache, CacheType::kBF16);
  EXPECT_EQ(cli::session_options(parsed({"--kv-type", "f32"})).cache, CacheType::kF32);
  EXPECT_EQ(cli::session_options(parsed({"--kv-type", "f16"})).cache, CacheType::kF16);
  EXPECT_EQ(cli::session_options(parsed({"--kv-type", "auto"})).cache, CacheType::kAuto);
  EXPECT_THROW(parsed({"--kv-type", "f15"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--chunk", "0"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--chunk", "many"}), CLI::ParseError);
}

TEST(CacheOptionsTest, TypesHaveNamesAndSizes) {
  EXPECT_EQ(cli::cache_type_of(CacheType::kBF16).name, "bf16");
  EXPECT_EQ(cli::cache_type_of(CacheType::kF32).value_bytes, 4);
  EXPECT_EQ(cli::cache_type_of(CacheType::kF16).value_bytes, 2);
  EXPECT_EQ(cli::cache_type_of(CacheType::kQ8_0).value_bytes, 34.0 / 32);
}

/// Logits by `octavo eval`.
NpyArray eval(const ConvertedPocket& pocket, const std::vector<std::string>& options) {
  write_file(pocket.file("ids.json"), nlohmann::json(std::vector<int>(40, 300)).dump());
  std::vector<std::string> command = {"eval",     pocket.path(),
                                      "--ids",    pocket.file("ids.json"),
                                      "--logits", pocket.file("logits.npy")};
  command.insert(command.end(), options.begin(), options.end());
  const Outcome outcome = run_program(command);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return read_npy(pocket.file("logits.npy"));
}

/// Furthest apart, as a share of the largest.
double distance(const NpyArray& a, const NpyArray& b) {
  double most = 0, largest = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    most = std::max(most, std::abs(double{a.values[i]} - b.values[i]));
    largest = std::max(largest, std::abs(double{a.values[i]}));
  }
  return most / largest;
}

TEST(CacheOptionsTest, EvalTakesThem) {
  const ConvertedPocket pocket("f32");
  const NpyArray exact = eval(pocket, {});
  EXPECT_LT(distance(exact, eval(pocket, {"--chunk", "7", "--kv-type", "f32"})), 1e-5);
  const double bf16 = distance(exact, eval(pocket, {"--kv-type", "bf16"}));
  EXPECT_GT(bf16, 1e-5);  // 8 bits of a number instead of 24 are seen
  EXPECT_LT(bf16, 2e-2);
}

TEST(CacheOptionsTest, RunTakesThem) {
  const ConvertedPocket pocket("f32");
  const auto run = [&](const std::vector<std::string>& options) {
    std::vector<std::string> command = {"run", pocket.path(), "-p",     "Once upon a time",
                                        "-n",  "8",           "--temp", "0",
                                        "-t",  "1",           "--stats"};
    command.insert(command.end(), options.begin(), options.end());
    return run_program(command);
  };
  const Outcome usual = run({}), other = run({"--chunk", "2", "--kv-type", "f32"});
  ASSERT_EQ(other.exit_code, 0) << other.err;
  EXPECT_EQ(other.out, usual.out);
  EXPECT_EQ(run({"--kv-type", "f17"}).exit_code, 2);
  EXPECT_EQ(run({"--chunk", "-1"}).exit_code, 2);
}

TEST(CacheOptionsTest, PerplexityTakesThem) {
  const ConvertedPocket pocket("f32");
  const auto value = [&](const std::vector<std::string>& options) {
    std::vector<std::string> command = {"perplexity", pocket.path(), "-f",       kLicence, "--ctx",
                                        "128",        "--json",      "--chunks", "2"};
    command.insert(command.end(), options.begin(), options.end());
    const Outcome outcome = run_program(command);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  };
  const auto exact = value({}), other = value({"--chunk", "48", "--kv-type", "bf16"});
  EXPECT_EQ(exact["cache_type"], "f32");
  EXPECT_EQ(other["cache_type"], "bf16");
  EXPECT_EQ(exact["tokens"], other["tokens"]);
  EXPECT_NE(exact["perplexity"], other["perplexity"]);
  const double perplexity = exact["perplexity"];
  EXPECT_NEAR(other["perplexity"], perplexity, 0.01 * perplexity);
}

TEST(CacheOptionsTest, CompareAppliesTheTypeToB) {
  const ConvertedPocket pocket("f32");
  const auto kl = [&](const std::string& type) {
    const Outcome outcome =
        run_program({"compare", pocket.path(), pocket.path(), "-f", kLicence, "--ctx", "128",
                     "--chunks", "1", "--chunk", "50", "--kv-type", type, "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out)["mean_kl"].get<double>();
  };
  EXPECT_LT(kl("auto"), 1e-12);
  EXPECT_GT(kl("bf16"), 1e-9);
}

TEST(CacheOptionsTest, BenchCountsTheCacheByItsType) {
  const ConvertedPocket pocket("q4_k");
  const auto bench = [&](const std::vector<std::string>& options) {
    std::vector<std::string> command = {"bench", pocket.path(), "-p", "0", "-n",      "3",
                                        "-d",    "150",         "-r", "1", "--chunk", "64"};
    command.insert(command.end(), options.begin(), options.end());
    const Outcome outcome = run_program(command);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.out;
  };
  // On average 152 keys and values are seen: 6 layers of 2 heads of 32.
  constexpr double kValues = 152 * 2 * 6 * 2 * 32;
  for (const auto& [type, bytes] : {std::pair("f32", 4), std::pair("bf16", 2)}) {
    const auto json = nlohmann::json::parse(bench({"--kv-type", type, "--json"}));
    EXPECT_DOUBLE_EQ(json["cache_bytes_per_token"], kValues * bytes) << type;
    EXPECT_EQ(json["cache_type"], type);
    EXPECT_EQ(json["chunk"], 64);
    EXPECT_EQ(json["depth"], 150);
  }
  EXPECT_THAT(bench({"--kv-type", "bf16"}),
              HasSubstr("decode   3 tokens behind 150, bf16 cache: "));
}

/// tiny-mistral-swa sees 8 keys.
TEST(CacheOptionsTest, BenchCountsNoMoreThanTheWindow) {
  const TempDir folder;
  const std::string path = folder.file("model.8vo");
  ASSERT_EQ(
      run_program({"convert", OCTAVO_TEST_DATA "/tiny-mistral-swa/hf", "--to", path}).exit_code, 0);
  const auto bytes = [&](const char* depth) {
    const Outcome outcome = run_program(
        {"bench", path, "-p", "0", "-n", "4", "-d", depth, "-r", "1", "-t", "1", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out)["cache_bytes_per_token"].get<double>();
  };
  const double full = bytes("50");
  EXPECT_GT(full, 0);
  EXPECT_DOUBLE_EQ(bytes("6") / full, (7 + 8 + 8 + 8) / 32.0);
}

}  // namespace
}  // namespace octavo::test
