// Models of many shapes with random weights against the reference model in double precision.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <string>
#include <vector>

#include "support/converted.h"
#include "support/random.h"
#include "support/random_models.h"

namespace octavo::test {
namespace {

// The shapes that real models have and careless code refuses.
std::vector<ModelConfig> special_shapes() {
  std::vector<ModelConfig> shapes = {
      model_shape(64, 4, 2, 16, 172, 8, 2, 128),     // no multiple of a block of 32
      model_shape(64, 4, 2, 16, 128, 5, 3, 99),      // 5 experts top 3, odd vocabulary
      model_shape(32, 2, 1, 16, 32, 64, 1, 64),      // 64 experts top 1, 1 kv head
      model_shape(48, 4, 4, 32, 64, 4, 2, 101),      // heads wider than dim
      model_shape(96, 3, 1, 8, 80, 4, 2, 33),        // heads narrower than dim
      model_shape(64, 8, 1, 20, 96, 1, 1, 77),       // 1 expert, heads of 20
      model_shape(32, 4, 2, 8, 48, 8, 8, 65),        // all experts
      model_shape(37, 3, 3, 6, 29, 3, 2, 17),        // nothing is round
      model_shape(256, 4, 2, 64, 512, 2, 1, 300),    // whole super-blocks
      model_shape(64, 4, 2, 16, 128, 0, 0, 128),     // dense
      model_shape(64, 4, 2, 16, 128, 0, 0, 128, 8),  // dense, window
      model_shape(40, 1, 1, 40, 16, 0, 0, 3, 1),     // a token sees itself alone
      model_shape(40, 5, 5, 4, 16, 17, 4, 3),        // 17 experts top 4, 3 tokens
      model_shape(16, 2, 2, 2, 16, 2, 2, 40),
  };
  shapes[0].rope_theta = 1e6;
  shapes[1].tied_output = true;
  shapes[9].tied_output = true;
  shapes[2].layers = 1;
  shapes[7].layers = 4;
  return shapes;
}

ModelConfig random_shape(Random& random) {
  const int64_t kv_heads = 1 + random.below(3), group = 1 + random.below(4);
  const int64_t experts = random.below(4) == 0 ? 0 : 1 + random.below(12);
  const int64_t top_k = experts == 0 ? 0 : 1 + random.below(std::min<int64_t>(experts, 4));
  ModelConfig config = model_shape(8 + random.below(120), kv_heads * group, kv_heads,
                                   2 + 2 * random.below(16), 8 + random.below(150), experts, top_k,
                                   2 + random.below(200), experts == 0 ? random.below(20) : 0);
  config.layers = 1 + random.below(3);
  config.tied_output = random.below(4) == 0;
  config.rope_theta = random.below(2) == 0 ? 1e6 : 1e4;
  return config;
}

void check(const ModelConfig& config, uint64_t seed, Format format, Format stored = Format::kF32) {
  SCOPED_TRACE(fmt::format("{}: {}", format_name(format), describe(config)));
  const Converted file(config, seed, format, stored);
  TransformerOptions options;
  options.kv_type = KvType::kF32;
  options.threads = 1 + static_cast<int>(seed % 2);
  Runner runner(file.path(), options);
  ASSERT_TRUE(runner.config() == config);
  Random random(seed);
  const std::vector<int32_t> ids = random.ids(40, config.vocab);
  const Matrix logits = runner.logits(ids);
  const Runner::Routed routed = runner.take_routing();
  const ReferenceModel reference(runner.file());
  const bool dense = config.experts == 0;
  const ReferenceTrace trace = reference.forward(ids, dense ? nullptr : &routed.experts);
  const double allowed = logits_tolerance(format, config.layers);
  if (!dense) expect_good_choices(trace, routed.experts, 10 * allowed);
  EXPECT_LT(relative_rms(logits, trace.logits), allowed);

  if (format != Format::kF32) return;
  runner.transformer().rewind(0);
  const Matrix stepwise = runner.logits(std::span(ids).first(12), 1);
  EXPECT_LT(relative_rms(stepwise, trace.logits.topRows(12)), allowed) << "token by token";
}

TEST(RandomModels, SpecialShapesInEveryFormat) {
  uint64_t seed = 100;
  for (const ModelConfig& config : special_shapes()) {
    for (const Format format : all_formats()) check(config, ++seed, format);
  }
}

TEST(RandomModels, RandomShapesInAnyFormat) {
  Random random(8);
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    const Format format = all_formats()[static_cast<size_t>(seed) % all_formats().size()];
    check(random_shape(random), seed, format);
  }
}

// What a checkpoint stores is taken as it is: f16 and bf16 numbers survive the way to f32 exactly.
TEST(RandomModels, EveryStoredType) {
  const ModelConfig config = model_shape(64, 4, 2, 16, 172, 5, 3, 99);
  for (const Format stored : {Format::kF32, Format::kF16, Format::kBF16}) {
    check(config, 5, Format::kF32, stored);
    if (stored == Format::kF32) continue;
    const Converted exact(config, 5, stored, stored), wide(config, 5, Format::kF32, stored);
    TransformerOptions options;
    options.kv_type = KvType::kF32;
    Runner narrow_runner(exact.path(), options), wide_runner(wide.path(), options);
    const std::vector<int32_t> ids = Random(1).ids(20, config.vocab);
    EXPECT_LT(relative_rms(narrow_runner.logits(ids), wide_runner.logits(ids)), 1e-4)
        << format_name(stored);
  }
}

// One long batch, more rows than a backend may take through its scratch at once, against many short
// ones.
TEST(RandomModels, LongPrefillEqualsShortBatches) {
  ModelConfig config = model_shape(64, 4, 2, 16, 96, 5, 3, 99);
  config.context = 1400;
  for (const Format format : {Format::kF32, Format::kBF16, Format::kQ4_0}) {
    const Converted file(config, 11, format);
    const std::vector<int32_t> ids = Random(3).ids(1300, config.vocab);
    TransformerOptions options;
    options.kv_type = KvType::kF32;
    options.chunk = 1400;
    Runner whole(file.path(), options);
    options.chunk = 90;
    Runner parts(file.path(), options);
    EXPECT_LT(relative_rms(whole.logits(ids), parts.logits(ids)),
              logits_tolerance(format, config.layers))
        << format_name(format);
  }
}

// Keys and values in 16 bits: their rounding alone separates the results.
TEST(RandomModels, NarrowCaches) {
  const ModelConfig config = model_shape(64, 4, 2, 16, 128, 4, 2, 128);
  const Converted file(config, 9, Format::kF32);
  const std::vector<int32_t> ids = Random(2).ids(40, config.vocab);
  const ReferenceModel reference{ModelFile(file.path())};
  for (const auto& [type, allowed] :
       {std::pair{KvType::kF16, 0x1p-11 * 8}, std::pair{KvType::kBF16, 0x1p-8 * 8}}) {
    TransformerOptions options;
    options.kv_type = type;
    Runner runner(file.path(), options);
    const Matrix logits = runner.logits(ids);
    const Choices chosen = runner.take_routing().experts;
    EXPECT_LT(relative_rms(logits, reference.forward(ids, &chosen).logits), allowed);
  }
}

}  // namespace
}  // namespace octavo::test
