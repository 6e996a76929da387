// Passes of a few tokens give each the logits, bit by bit, that it gets alone, and a session that
// goes back afterwards is as if it had never seen what it forgot: what speculation stands on.
#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "api/session_impl.h"
#include "api/session_models.h"

namespace octavo::test {
namespace {

constexpr CacheType kCaches[] = {CacheType::kF32, CacheType::kF16, CacheType::kBF16,
                                 CacheType::kQ8_0};

ModelConfig config_of(int64_t experts, int64_t window, int64_t kv_heads = 1) {
  ModelConfig config = one_layer_config(window);
  config.architecture = experts > 0 ? "mixtral" : "mistral";
  config.layers = 3;
  config.dim = 256;
  config.ffn_dim = 288;
  config.heads = 4;
  config.kv_heads = kv_heads;
  config.head_dim = 32;
  config.experts = experts;
  config.experts_per_token = experts > 0 ? 2 : 0;
  config.vocab = 120;
  return config;
}

using Rows = std::vector<std::vector<float>>;

/// Logits behind each of `ids`, computed at once.
Rows evaluated(Session& session, std::span<const int32_t> ids) {
  Rows rows;
  session.evaluate(ids, 0, [&](int64_t, std::span<const float> logits) {
    rows.emplace_back(logits.begin(), logits.end());
  });
  return rows;
}

void expect_same_bits(const Rows& actual, const Rows& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t row = 0; row < actual.size(); ++row) {
    for (size_t i = 0; i < actual[row].size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(actual[row][i]), std::bit_cast<uint32_t>(expected[row][i]))
          << what << ", row " << row << " of " << actual.size() << ", logit " << i;
    }
  }
}

/// Passes of 2 to `most` tokens of which all but the first few are wrong, and forgotten.
void check(const Model& model, const SessionOptions& options, int64_t past, const char* what) {
  Session session(model, options);
  Random random(3);
  session.feed(random.ids(past, model.info().vocab));
  Session alone = session.fork();
  const auto most = Transformer(model.impl()->config, model.impl()->weights, *model.impl()->device,
                                {.context = options.context, .threads = 1})
                        .independent_rows();
  ASSERT_EQ(most, 15) << what;
  for (int64_t rows = 2; rows <= most; ++rows) {
    const std::vector<int32_t> ids = random.ids(rows, model.info().vocab);
    const Rows together = evaluated(session, ids);
    Rows apart;
    const auto kept = static_cast<size_t>(1 + random.below(rows));
    for (size_t i = 0; i < kept; ++i)
      apart.push_back(evaluated(alone, std::span(ids).subspan(i, 1))[0]);
    expect_same_bits({together.begin(), together.begin() + static_cast<int64_t>(kept)}, apart,
                     what);
    session.rewind(past += static_cast<int64_t>(kept));
    ASSERT_EQ(held(session), held(alone));
  }
}

TEST(ShortPassesTest, EveryFormat) {
  for (const Format format : all_formats()) {
    for (const int64_t experts : {0, 8}) {
      const Converted file(config_of(experts, 0), 5, format);
      check(Model::open(file.path()), {.context = 400, .threads = 1}, 40,
            format_name(format).data());
    }
  }
}

TEST(ShortPassesTest, EveryCacheWithAndWithoutWindows) {
  for (const int64_t window : {0, 1, 30, 64, 65, 600}) {
    for (const Format format : {Format::kQ4_K, Format::kF32}) {
      const Converted file(config_of(8, window, window == 30 ? 4 : 1), 6, format);
      const Model model = Model::open(file.path());
      for (const CacheType cache : kCaches) {
        const std::string what = "window " + std::to_string(window) + ", cache " +
                                 std::to_string(static_cast<int>(cache));
        // Over the border of a part of the sequence, and around the ring.
        check(model, {.context = 900, .threads = 1, .cache = cache}, 480, what.c_str());
      }
    }
  }
}

TEST(ShortPassesTest, ShippedModels) {
  const std::filesystem::path sources[] = {pocket_mixtral(), test_data("tiny-mistral-swa") / "hf"};
  for (const auto& source : sources) {
    for (const Format format : {Format::kQ4_0, Format::kQ8_0, Format::kBF16}) {
      const Converted file(source, format);
      check(Model::open(file.path()), {.context = 700, .threads = 2}, 470,
            format_name(format).data());
    }
  }
}

TEST(ShortPassesTest, RingsThatAreTooSmallHaveShorterPasses) {
  // A context hardly above the window leaves the ring a few positions more than the window.
  ModelConfig config = config_of(8, 250);
  const Converted file(config, 7, Format::kQ8_0);
  const Model model = Model::open(file.path());
  const auto rows = [&](int64_t context) {
    return Transformer(model.impl()->config, model.impl()->weights, *model.impl()->device,
                       {.context = context, .threads = 1})
        .independent_rows();
  };
  EXPECT_EQ(rows(253), 256 - 250 + 1);
  EXPECT_EQ(rows(257), 15);
  EXPECT_EQ(rows(250), 15);  // no window at all
  EXPECT_EQ(rows(9), 9);
}

}  // namespace
}  // namespace octavo::test
