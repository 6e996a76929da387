// 200 random models, fed in random pieces through every type of cache, against the reference model
// in double precision.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "support/converted.h"
#include "support/random.h"
#include "support/random_models.h"

namespace octavo::test {
namespace {

struct Case {
  ModelConfig config;
  int64_t tokens = 0;
  int64_t chunk = 0;            // of the transformer
  std::vector<int64_t> pieces;  // fed at once; what is left comes token by token
  size_t cache = 0;             // of kCacheTypes
  int threads = 1;
};

// Every type of cache, and how far rounding moves one of its numbers, relative to it.
struct CacheType {
  KvType type;
  const char* name;
  double rounding;
};
constexpr std::array<CacheType, 4> kCacheTypes = {{{KvType::kF32, "f32", 0},
                                                   {KvType::kF16, "f16", 0x1p-11},
                                                   {KvType::kBF16, "bf16", 0x1p-8},
                                                   {KvType::kQ8_0, "q8_0", 0.01}}};

std::string case_text(const Case& c) {
  return fmt::format("{}, {} tokens in pieces of {}, chunk {}, cache {}, threads {}",
                     describe(c.config), c.tokens, fmt::join(c.pieces, " "), c.chunk,
                     kCacheTypes[c.cache].name, c.threads);
}

// None, the token alone, small, about as long as a page of the cache, longer than the text.
int64_t random_window(int64_t tokens, Random& random) {
  switch (random.below(5)) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 2:
      return 2 + random.below(19);
    case 3:
      return 50 + random.below(40);
    default:
      return tokens + random.below(50);
  }
}

ModelConfig random_config(int64_t tokens, Random& random) {
  constexpr std::array<int64_t, 5> kGroups = {1, 2, 3, 4, 8};
  const int64_t kv_heads = 1 + random.below(3),
                heads = kv_heads * kGroups[static_cast<size_t>(random.below(5))];
  const int64_t experts = random.below(3) == 0 ? 0 : 1 + random.below(10);
  const int64_t top_k = experts == 0 ? 0 : 1 + random.below(experts);
  ModelConfig config = model_shape(8 + random.below(90), heads, kv_heads, 2 + 2 * random.below(16),
                                   8 + random.below(90), experts, top_k, 3 + random.below(150),
                                   random_window(tokens, random));
  config.layers = 1 + random.below(4);
  config.context = std::max(tokens, config.window) + random.below(60);
  config.tied_output = random.below(4) == 0;
  config.rope_theta = random.below(2) == 0 ? 1e6 : 1e4;
  return config;
}

Case random_case(Random& random) {
  Case c;
  const bool is_long = random.below(4) == 0;  // a small ring is used more than once
  c.tokens = is_long ? 140 + random.below(80) : 20 + random.below(40);
  c.config = random_config(c.tokens, random);
  c.chunk = random.below(3) == 0 ? 512 : 1 + random.below(80);
  for (int64_t left = c.tokens - random.below(12); left > 0;) {
    c.pieces.push_back(std::min(left, 1 + random.below(c.tokens)));
    left -= c.pieces.back();
  }
  c.cache = static_cast<size_t>(random.below(kCacheTypes.size()));
  c.threads = 1 + static_cast<int>(random.below(2));
  return c;
}

void check(const Case& c, uint64_t seed) {
  SCOPED_TRACE(fmt::format("case {}: {}", seed, case_text(c)));
  const Converted file(c.config, seed, Format::kF32);
  TransformerOptions options;
  options.kv_type = kCacheTypes[c.cache].type;
  options.chunk = c.chunk;
  options.threads = c.threads;
  Runner runner(file.path(), options);
  ASSERT_TRUE(runner.config() == c.config);
  const std::vector<int32_t> ids = Random(seed).ids(c.tokens, c.config.vocab);
  const Matrix logits = runner.logits_in(ids, c.pieces);
  const Choices chosen = runner.take_routing().experts;
  const bool dense = c.config.experts == 0;
  const ReferenceTrace trace =
      ReferenceModel(runner.file()).forward(ids, dense ? nullptr : &chosen);
  // Rounding keys and values moves the logits, relative to their root mean square, hardly further
  // than it moves one number, for the errors of many average out.
  const double allowed =
      logits_tolerance(Format::kF32, c.config.layers) + 2 * kCacheTypes[c.cache].rounding;
  if (!dense) expect_good_choices(trace, chosen, 10 * allowed);
  EXPECT_LT(relative_rms(logits, trace.logits), allowed);
}

TEST(RandomShapes, FollowTheReferenceModel) {
  Random random(7);
  for (uint64_t seed = 1; seed <= 200; ++seed) check(random_case(random), seed);
}

}  // namespace
}  // namespace octavo::test
