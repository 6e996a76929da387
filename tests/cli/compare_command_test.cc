// octavo compare.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cli/program.h"
#include "octavo/octavo.hpp"
#include "support/npy.h"

namespace octavo::test {
namespace {

constexpr size_t kContext = 32;

NpyArray eval(const ConvertedPocket& pocket, const std::vector<int32_t>& ids) {
  write_file(pocket.file("ids.json"), nlohmann::json(ids).dump());
  const Outcome outcome = run_program({"eval", pocket.path(), "--ids", pocket.file("ids.json"),
                                       "--logits", pocket.file("logits.npy")});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return read_npy(pocket.file("logits.npy"));
}

std::vector<double> probabilities(std::span<const float> logits) {
  std::vector<double> p(logits.begin(), logits.end());
  double sum = 0;
  for (double& value : p) sum += value = std::exp(value);
  for (double& value : p) value /= sum;
  return p;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// What the command should say, from the logits that eval gives for each chunk of ids.
struct Expected {
  std::vector<double> divergences, losses_a, losses_b, same_top;

  Expected(const ConvertedPocket& a, const ConvertedPocket& b, const std::vector<int32_t>& ids) {
    for (size_t start = 0; start + kContext <= ids.size(); start += kContext) {
      const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(start);
      std::vector<int32_t> chunk(begin, begin + static_cast<std::ptrdiff_t>(kContext));
      chunk[0] = 1;
      const NpyArray logits_a = eval(a, chunk), logits_b = eval(b, chunk);
      for (size_t j = kContext / 2; j + 1 < kContext; ++j) {
        add(probabilities(logits_a.row(static_cast<int64_t>(j))),
            probabilities(logits_b.row(static_cast<int64_t>(j))),
            static_cast<size_t>(chunk[j + 1]));
      }
    }
  }

  void add(const std::vector<double>& a, const std::vector<double>& b, size_t next) {
    double divergence = 0;
    for (size_t i = 0; i < a.size(); ++i) divergence += a[i] * std::log(a[i] / b[i]);
    divergences.push_back(divergence);
    losses_a.push_back(-std::log(a[next]));
    losses_b.push_back(-std::log(b[next]));
    const auto top = [](const std::vector<double>& p) {
      return std::max_element(p.begin(), p.end()) - p.begin();
    };
    same_top.push_back(top(a) == top(b) ? 1 : 0);
  }
};

Outcome compare(const ConvertedPocket& a, const ConvertedPocket& b, const std::string& text,
                const std::vector<std::string>& more = {}) {
  write_file(a.file("text.txt"), text);
  std::vector<std::string> arguments = {
      "compare", a.path(), b.path(), "-f", a.file("text.txt"), "--ctx", std::to_string(kContext)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_program(arguments);
}

TEST(CompareCommandTest, AgreesWithItsDefinition) {
  const ConvertedPocket a, b("q4_0");
  const std::string text = read_file(OCTAVO_SOURCE_DIR "/LICENSE").substr(0, 800);
  const Expected expected(a, b, Model::open(a.path()).tokenize(text));
  ASSERT_GT(expected.divergences.size(), 60u);

  const Outcome outcome = compare(a, b, text, {"--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const nlohmann::json report = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(report["tokens"], expected.divergences.size());
  EXPECT_NEAR(report["mean_kl"], mean(expected.divergences), 1e-4 * mean(expected.divergences));
  EXPECT_DOUBLE_EQ(report["same_top"], mean(expected.same_top));
  EXPECT_NEAR(report["perplexity_a"], std::exp(mean(expected.losses_a)), 1e-2);
  EXPECT_NEAR(report["perplexity_b"], std::exp(mean(expected.losses_b)), 1e-2);
  EXPECT_NEAR(report["log_ratio"], mean(expected.losses_b) - mean(expected.losses_a), 1e-4);

  std::vector<double> sorted = expected.divergences;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double share) {
    return sorted[static_cast<size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))];
  };
  EXPECT_NEAR(report["median_kl"], at(0.5), 1e-3 * at(0.5));
  EXPECT_NEAR(report["p99_kl"], at(0.99), 1e-3 * at(0.99));
  EXPECT_NEAR(report["max_kl"], sorted.back(), 1e-3 * sorted.back());

  int64_t tokens = 0;
  for (const auto& [name, part] : report["classes"].items())
    tokens += part["tokens"].get<int64_t>();
  EXPECT_EQ(tokens, report["tokens"]);
}

TEST(CompareCommandTest, AModelIsNoDistanceFromItself) {
  const ConvertedPocket pocket("q8_0");
  const Outcome outcome =
      compare(pocket, pocket, read_file(OCTAVO_SOURCE_DIR "/LICENSE").substr(0, 800));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::HasSubstr("mean KL      0.00000 ± 0.00000 nats"));
  EXPECT_THAT(outcome.out, testing::HasSubstr("100.00 %"));
  EXPECT_THAT(outcome.out, testing::HasSubstr("B over A     +0.000 %"));
}

TEST(CompareCommandTest, TellsTheKindsOfTokensApart) {
  const ConvertedPocket pocket;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "12345 67890 \xC3\xA9\xC3\xA8\xC3\xA0 ; : ! \n\n the end\n";
  const Outcome outcome = compare(pocket, pocket, text, {"--json", "--chunks", "8"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const nlohmann::json classes = nlohmann::json::parse(outcome.out)["classes"];
  for (const char* name : {"number", "punctuation", "white space", "non-ASCII", "word start"}) {
    EXPECT_TRUE(classes.contains(name)) << name << " of " << classes.dump();
  }
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["tokens"], 8 * (kContext / 2 - 1));
}

TEST(CompareCommandTest, OtherVocabulariesAreRefused) {
  const ConvertedPocket pocket;
  const Outcome converted =
      run_program({"convert", test_data("tiny-mixtral/hf").string(), "--to", pocket.file("tiny.8vo")});
  ASSERT_EQ(converted.exit_code, 0) << converted.err;
  write_file(pocket.file("text.txt"), "Some text.");
  const Outcome outcome = run_program({"compare", pocket.path(), pocket.file("tiny.8vo"), "-f",
                                       pocket.file("text.txt"), "--ctx", "8"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, testing::HasSubstr("cannot be compared"));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

}  // namespace
}  // namespace octavo::test
