// tiny-mixtral and tiny-mistral-swa against the PyTorch reference of their makers, from both
// checkpoint layouts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "support/converted.h"
#include "support/files.h"
#include "support/kernel_tables.h"
#include "support/npy.h"
#include "support/random.h"

namespace octavo::test {
namespace {

constexpr double kTolerance = 5e-5;  // max abs, what the project promises of f32

// Lengths of what is fed at once; what is left comes token by token.
const std::vector<std::vector<int64_t>> kConversations = {
    {5, 1, 7, 2, 9, 3}, {16, 1, 1, 8, 3}, {1, 30}, {64, 1, 65, 2, 63, 17, 100}};

TransformerOptions exact_cache(int64_t chunk = 512) {
  TransformerOptions options;
  options.kv_type = KvType::kF32;
  options.chunk = chunk;
  return options;
}

struct GoldenCase {
  std::string prefix;  // "c0."
  nlohmann::json json;
  std::vector<int32_t> ids;
};

std::vector<GoldenCase> golden_cases(const std::string& model) {
  std::vector<GoldenCase> cases;
  const nlohmann::json json = read_json(test_data(model) / "golden.json");
  for (const nlohmann::json& one : json.at("cases")) {
    const std::string prefix = fmt::format("c{}.", cases.size());
    cases.push_back({prefix, one, one.at("ids").get<std::vector<int32_t>>()});
  }
  EXPECT_GE(cases.size(), 3u);
  return cases;
}

Matrix golden(const std::string& model, const std::string& name) {
  const NpyArray array = read_npy(test_data(model) / "golden" / (name + ".npy"));
  return to_matrix(array.values, array.rows(), array.cols());
}

/// Parameter: model folder and layout folder.
class Golden : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  std::string model() const { return std::get<0>(GetParam()); }
  Converted convert_f32() const {
    return {test_data(model()) / std::get<1>(GetParam()), Format::kF32};
  }
};

INSTANTIATE_TEST_SUITE_P(Layouts, Golden,
                         ::testing::Combine(::testing::Values("tiny-mixtral", "tiny-mistral-swa"),
                                            ::testing::Values("hf", "mistral")),
                         [](const auto& test) {
                           return test_name(std::get<0>(test.param) + "_" +
                                            std::get<1>(test.param));
                         });

INSTANTIATE_TEST_SUITE_P(PyTorch, Golden, ::testing::Values(std::tuple("tiny-mixtral", "pth")),
                         [](const auto&) { return "TinyMixtral"; });

TEST_P(Golden, LogitsOfTheWholePrompt) {
  const Converted file = convert_f32();
  for (const GoldenCase& c : golden_cases(model())) {
    Runner runner(file.path(), exact_cache());
    EXPECT_LT(max_difference(runner.logits(c.ids), golden(model(), c.prefix + "logits")),
              kTolerance)
        << c.prefix;
  }
}

TEST_P(Golden, LogitsInChunks) {
  const Converted file = convert_f32();
  for (const GoldenCase& c : golden_cases(model())) {
    const Matrix expected = golden(model(), c.prefix + "logits");
    for (const int64_t chunk : {1, 3, 7, 8, 9}) {
      Runner runner(file.path(), exact_cache());
      EXPECT_LT(max_difference(runner.logits(c.ids, chunk), expected), kTolerance)
          << c.prefix << " by " << chunk;
      Runner chunked(file.path(), exact_cache(chunk));
      EXPECT_LT(max_difference(chunked.logits(c.ids), expected), kTolerance)
          << c.prefix << " in chunks of " << chunk;
    }
  }
}

// A prompt in pieces of many lengths, then token by token, as a conversation goes.
TEST_P(Golden, LogitsOfAPromptInPiecesAndWhatFollows) {
  const Converted file = convert_f32();
  for (const GoldenCase& c : golden_cases(model())) {
    const Matrix expected = golden(model(), c.prefix + "logits");
    for (const std::vector<int64_t>& pieces : kConversations) {
      Runner runner(file.path(), exact_cache(8));
      EXPECT_LT(max_difference(runner.logits_in(c.ids, pieces), expected), kTolerance)
          << c.prefix << " from a piece of " << pieces.front();
    }
  }
}

// Both layouts hold the same numbers, so the converted tensors must be the same, q and k included.
TEST_P(Golden, LayoutsConvertToTheSameTensors) {
  const Converted file = convert_f32();
  const Converted other(test_data(model()) / "hf", Format::kF32);
  const ModelFile a(file.path()), b(other.path());
  ASSERT_EQ(a.directory().tensors.size(), b.directory().tensors.size());
  for (size_t i = 0; i < a.directory().tensors.size(); ++i) {
    EXPECT_EQ(a.directory().tensors[i].name, b.directory().tensors[i].name);
    EXPECT_EQ(a.directory().tensors[i].checksum, b.directory().tensors[i].checksum)
        << a.directory().tensors[i].name;
  }
}

class TinyMixtral : public ::testing::TestWithParam<std::string> {
 protected:
  Converted convert_f32() const { return {test_data("tiny-mixtral") / GetParam(), Format::kF32}; }
};
INSTANTIATE_TEST_SUITE_P(Layouts, TinyMixtral, ::testing::Values("hf", "mistral"));

TEST_P(TinyMixtral, GreedyTokensAndTheirLogits) {
  const Converted file = convert_f32();
  for (const GoldenCase& c : golden_cases("tiny-mixtral")) {
    // Otherwise an allowed error could change a token and the comparison would mean nothing.
    ASSERT_GT(c.json.at("min_top1_gap").get<double>(), 2 * kTolerance);
    const auto greedy = c.json.at("greedy").get<std::vector<int32_t>>();
    Runner runner(file.path(), exact_cache());
    EXPECT_EQ(runner.greedy(c.ids, static_cast<int64_t>(greedy.size())), greedy) << c.prefix;

    Runner forced(file.path(), exact_cache());
    const Matrix prompt = forced.logits(c.ids);
    const Matrix generated = forced.logits(greedy, 1);
    const Matrix expected = golden("tiny-mixtral", c.prefix + "gen_logits");
    EXPECT_LT(max_difference(prompt.bottomRows(1), expected.topRows(1)), kTolerance) << c.prefix;
    EXPECT_LT(max_difference(generated, expected.bottomRows(generated.rows())), kTolerance)
        << c.prefix;
  }
}

// Experts of one token in one layer: equal where the k-th and the next logit are further apart than
// an error.
void compare_route(const Matrix& golden_logits, const nlohmann::json& golden_route, int64_t row,
                   const Runner::Routed& routed, size_t layer, int64_t& compared) {
  const auto token = static_cast<size_t>(row);
  std::vector<double> sorted(golden_logits.row(row).begin(), golden_logits.row(row).end());
  std::sort(sorted.rbegin(), sorted.rend());
  const std::vector<float>& logits = routed.logits[layer][token];
  const auto cols = static_cast<int64_t>(logits.size());
  EXPECT_LT(max_difference(to_matrix(logits, 1, cols), golden_logits.row(row)), kTolerance);
  if (sorted[1] - sorted[2] < 2 * kTolerance || sorted[0] - sorted[1] < 2 * kTolerance) return;
  ++compared;
  EXPECT_EQ(routed.experts[layer][token],
            golden_route.at("experts").at(token).get<std::vector<int32_t>>());
  const auto weights = golden_route.at("weights").at(token).get<std::vector<double>>();
  for (size_t i = 0; i < weights.size(); ++i) {
    EXPECT_NEAR(routed.weights[layer][token][i], weights[i], kTolerance);
  }
}

TEST_P(TinyMixtral, Routing) {
  const Converted file = convert_f32();
  int64_t compared = 0, all = 0;
  for (const GoldenCase& c : golden_cases("tiny-mixtral")) {
    Runner runner(file.path(), exact_cache());
    runner.logits(c.ids);
    const Runner::Routed routed = runner.take_routing();
    for (size_t layer = 0; layer < 2; ++layer) {
      const std::string index = std::to_string(layer);
      const Matrix logits = golden("tiny-mixtral", c.prefix + "router_logits." + index);
      for (int64_t row = 0; row < logits.rows(); ++row, ++all) {
        SCOPED_TRACE(fmt::format("{} layer {} token {}", c.prefix, layer, row));
        compare_route(logits, c.json.at("routing").at(index), row, routed, layer, compared);
      }
    }
  }
  EXPECT_GT(compared, all * 95 / 100);  // the gaps leave nearly all to compare
}

// The yardstick of the other tests is itself held against the reference.
TEST_P(TinyMixtral, ReferenceModelFollowsEveryStep) {
  const Converted file = convert_f32();
  const ReferenceModel reference{ModelFile(file.path())};
  for (const GoldenCase& c : golden_cases("tiny-mixtral")) {
    const ReferenceTrace trace = reference.forward(c.ids);
    for (size_t layer = 0; layer < 2; ++layer) {
      const std::string index = std::to_string(layer);
      const auto expected = [&](const std::string& name) {
        return golden("tiny-mixtral", c.prefix + name + "." + index);
      };
      EXPECT_LT(max_difference(trace.attention[layer], expected("attn_out")), kTolerance);
      EXPECT_LT(max_difference(trace.block[layer], expected("block")), kTolerance);
      EXPECT_LT(max_difference(trace.router_logits[layer], expected("router_logits")), kTolerance);
    }
    EXPECT_LT(max_difference(trace.logits, golden("tiny-mixtral", c.prefix + "logits")),
              kTolerance);
  }
}

TEST(TinyMistralSwa, ReferenceModelFollowsTheSlidingWindow) {
  const Converted file(test_data("tiny-mistral-swa") / "hf", Format::kF32);
  const ReferenceModel reference{ModelFile(file.path())};
  for (const GoldenCase& c : golden_cases("tiny-mistral-swa")) {
    const Matrix expected = golden("tiny-mistral-swa", c.prefix + "logits");
    EXPECT_LT(max_difference(reference.forward(c.ids).logits, expected), kTolerance);
  }
}

// The goldens end after 5 windows of 8; the reference model goes on, until rings of every size have
// been used over and over.
class TinyMistral : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Windows, TinyMistral, ::testing::Values(1, 2, 8, 63, 64, 65, 100, 200),
                         [](const auto& test) { return std::to_string(test.param); });

TEST_P(TinyMistral, LongTextsFollowTheReference) {
  const Converted file(test_data("tiny-mistral-swa") / "hf", Format::kF32, GetParam());
  const std::vector<int32_t> ids = Random(5).ids(420, 128);
  const Matrix expected = ReferenceModel{ModelFile(file.path())}.forward(ids).logits;
  for (const int64_t chunk : {1, 7, 8, 9, 63, 64, 65, 130, 420}) {
    Runner runner(file.path(), exact_cache(chunk));
    ASSERT_EQ(runner.config().window, GetParam());
    EXPECT_LT(max_difference(runner.logits(ids), expected), kTolerance) << "chunks of " << chunk;
  }
  for (const std::vector<int64_t>& pieces : kConversations) {
    Runner runner(file.path(), exact_cache(100));
    EXPECT_LT(max_difference(runner.logits_in(ids, pieces), expected), kTolerance)
        << "from a piece of " << pieces.front();
  }
}

// The yardstick itself: without the window it would see more.
TEST(TinyMistralSwa, AWindowHidesWhatIsBeforeIt) {
  const Converted narrow(test_data("tiny-mistral-swa") / "hf", Format::kF32);
  const Converted wide(test_data("tiny-mistral-swa") / "hf", Format::kF32, 0);
  const std::vector<int32_t> ids = Random(6).ids(40, 128);
  Runner narrow_runner(narrow.path(), exact_cache()), wide_runner(wide.path(), exact_cache());
  const Matrix a = narrow_runner.logits(ids), b = wide_runner.logits(ids);
  EXPECT_LT(max_difference(a.topRows(8), b.topRows(8)), kTolerance);
  EXPECT_GT(max_difference(a.row(8), b.row(8)), 100 * kTolerance);
}

}  // namespace
}  // namespace octavo::test
