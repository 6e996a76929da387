// octavo perplexity --by-position: losses by the length of the context.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/position_losses.h"
#include "cli/program.h"
#include "cli/xml_check.h"
#include "octavo/octavo.hpp"

namespace octavo::test {
namespace {

using testing::HasSubstr;

const std::string kLicence = OCTAVO_SOURCE_DIR "/LICENSE";

TEST(PositionLossesTest, BucketsDoubleAndCoverAChunk) {
  using Bounds = std::vector<std::pair<int64_t, int64_t>>;
  const auto bounds = [](int64_t context) {
    Bounds result;
    const cli::PositionLosses losses(context);
    for (const auto& bucket : losses.buckets()) {
      result.emplace_back(bucket.first, bucket.last);
    }
    return result;
  };
  EXPECT_EQ(bounds(8), (Bounds{{1, 7}}));
  EXPECT_EQ(bounds(256), (Bounds{{1, 255}}));
  EXPECT_EQ(bounds(257), (Bounds{{1, 255}, {256, 256}}));
  EXPECT_EQ(bounds(1000), (Bounds{{1, 255}, {256, 511}, {512, 999}}));
  EXPECT_EQ(bounds(32768).size(), 8u);
  EXPECT_EQ(bounds(32768).back(), std::pair(int64_t{16384}, int64_t{32767}));
}

TEST(PositionLossesTest, EveryLossIsInOneBucketAndInLongerContexts) {
  cli::PositionLosses losses(1024);
  for (int64_t before = 1; before < 1024; ++before) {
    losses.add(before, before < 256 ? 4 : before < 512 ? 2 : 1);
  }
  const auto& buckets = losses.buckets();
  ASSERT_EQ(buckets.size(), 3u);
  EXPECT_EQ(buckets[0].here.count(), 255);
  EXPECT_EQ(buckets[1].here.count(), 256);
  EXPECT_EQ(buckets[2].here.count(), 512);
  EXPECT_EQ(buckets[1].until.count(), 511);
  EXPECT_EQ(buckets[2].until.count(), 1023);
  EXPECT_DOUBLE_EQ(buckets[2].here.mean(), 1);
  EXPECT_DOUBLE_EQ(buckets[1].until.mean(), (255 * 4 + 256 * 2) / 511.0);
}

/// Loss of each token of `ids` but the first.
std::vector<double> losses_of(const Model& model, std::span<const int32_t> ids) {
  std::vector<double> losses;
  Session session(model, {.threads = 1});
  session.evaluate(ids, 0, [&](int64_t i, std::span<const float> logits) {
    if (i + 1 == static_cast<int64_t>(ids.size())) return;
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double{logit});
    const auto next = static_cast<size_t>(ids[static_cast<size_t>(i) + 1]);
    losses.push_back(std::log(sum) - logits[next]);
  });
  return losses;
}

TEST(ByPositionTest, AgreesWithItsDefinition) {
  const ConvertedPocket pocket;
  const Model model = Model::open(pocket.path());
  constexpr size_t kContext = 300, kChunks = 2;
  const auto ids = model.tokenize(read_file(kLicence));
  std::vector<double> first, second;
  for (size_t chunk = 0; chunk < kChunks; ++chunk) {
    const auto start = ids.begin() + static_cast<std::ptrdiff_t>(chunk * kContext);
    std::vector<int32_t> part(start, start + kContext);
    part[0] = model.info().bos;
    const std::vector<double> losses = losses_of(model, part);
    ASSERT_EQ(losses.size(), kContext - 1);
    first.insert(first.end(), losses.begin(), losses.begin() + 255);
    second.insert(second.end(), losses.begin() + 255, losses.end());
  }
  const Outcome outcome =
      run_program({"perplexity", pocket.path(), "-f", kLicence, "--by-position", "--ctx", "300",
                   "--chunks", "2", "--chunk", "77", "-t", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["scored"], "all");
  EXPECT_EQ(json["chunks"], 2);
  EXPECT_EQ(json["tokens"], 598);
  ASSERT_EQ(json["positions"].size(), 2u);
  const auto expect = [](const nlohmann::json& entry, const std::vector<double>& losses) {
    const auto count = static_cast<double>(losses.size());
    double mean = 0, square = 0;
    for (const double loss : losses) mean += loss / count, square += loss * loss / count;
    const double error = std::sqrt((square - mean * mean) / (count - 1));
    EXPECT_EQ(entry["tokens"], losses.size());
    EXPECT_NEAR(entry["loss"], mean, 1e-4 * mean);
    EXPECT_NEAR(entry["loss_error"], error, 1e-3 * error);
    EXPECT_NEAR(entry["perplexity"], std::exp(mean), 1e-3 * std::exp(mean));
    EXPECT_NEAR(entry["perplexity_error"], std::exp(mean) * error, 1e-3 * std::exp(mean) * error);
  };
  expect(json["positions"][0], first);
  expect(json["positions"][1], second);
  EXPECT_EQ(json["positions"][1]["first"], 256);
  EXPECT_EQ(json["positions"][1]["last"], 299);
  EXPECT_EQ(json["positions"][1]["context"], 300);
  std::vector<double> all = first;
  all.insert(all.end(), second.begin(), second.end());
  expect(json, all);
  EXPECT_EQ(json["positions"][1]["context_perplexity"], json["perplexity"]);
}

TEST(ByPositionTest, TableAndPlot) {
  const ConvertedPocket pocket;
  const Outcome outcome = run_program({"perplexity", pocket.path(), "-f", kLicence, "--by-position",
                                       "-t", "1", "--svg", pocket.file("plot.svg")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  // The model's context of 2048, in four rows.
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 5) << outcome.out;
  EXPECT_THAT(outcome.out, testing::StartsWith("tokens before"));
  EXPECT_THAT(outcome.out, HasSubstr("        1-255       255  "));
  EXPECT_THAT(outcome.out, HasSubstr("\n    1024-2047      1024  "));
  const std::string svg = read_file(pocket.file("plot.svg"));
  EXPECT_EQ(xml_problem(svg), "");
  EXPECT_THAT(svg, HasSubstr(">2048<"));
  EXPECT_THAT(svg, HasSubstr("perplexity"));
}

TEST(ByPositionTest, TheOrdinaryProtocolScoresTheSecondHalf) {
  const ConvertedPocket pocket;
  const std::vector<std::string> command = {"perplexity", pocket.path(), "-f", kLicence, "--chunks",
                                            "1",          "--ctx",       "64", "-t",     "1"};
  const Outcome line = run_program(command);
  std::vector<std::string> with_json = command;
  with_json.push_back("--json");
  const auto json = nlohmann::json::parse(run_program(with_json).out);
  EXPECT_EQ(json["tokens"], 31);
  EXPECT_EQ(json["scored"], "second half");
  EXPECT_FALSE(json.contains("positions"));
  EXPECT_NEAR(std::stod(line.out), json["perplexity"].get<double>(), 1e-4);
}

TEST(ByPositionTest, WrongCommandLines) {
  const ConvertedPocket pocket;
  const auto exit_code = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"perplexity", pocket.path(), "-f", kLicence});
    return run_program(arguments).exit_code;
  };
  EXPECT_EQ(exit_code({"--svg", pocket.file("plot.svg")}), 2);
  EXPECT_EQ(exit_code({"--by-position", "--chunks", "0"}), 2);
  EXPECT_EQ(exit_code({"--by-position", "--ctx", "100000"}), 1);
  EXPECT_EQ(exit_code({"--by-position", "--svg", "/nowhere/plot.svg"}), 1);
}

}  // namespace
}  // namespace octavo::test
