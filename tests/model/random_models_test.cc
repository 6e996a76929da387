// Models of many shapes with random weights against the reference model in double precision.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/converted.h"
#include "support/random.h"

namespace octavo::test {
namespace {

ModelConfig shape(int64_t dim, int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t ffn_dim,
                  int64_t experts, int64_t top_k, int64_t vocab, int64_t window = 0) {
  ModelConfig config;
  config.architecture = experts == 0 ? "mistral" : "mixtral";
  config.dim = dim;
  config.layers = 2;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = head_dim;
  config.ffn_dim = ffn_dim;
  config.experts = experts;
  config.experts_per_token = top_k;
  config.vocab = vocab;
  config.context = 128;
  config.window = window;
  config.rope_theta = 1e4;
  config.norm_eps = 1e-5;
  return config;
}

// The shapes that real models have and careless code refuses.
std::vector<ModelConfig> special_shapes() {
  std::vector<ModelConfig> shapes = {
      shape(64, 4, 2, 16, 172, 8, 2, 128),     // no multiple of a block of 32
      shape(64, 4, 2, 16, 128, 5, 3, 99),      // 5 experts top 3, odd vocabulary
      shape(32, 2, 1, 16, 32, 64, 1, 64),      // 64 experts top 1, 1 kv head
      shape(48, 4, 4, 32, 64, 4, 2, 101),      // heads wider than dim
      shape(96, 3, 1, 8, 80, 4, 2, 33),        // heads narrower than dim
      shape(64, 8, 1, 20, 96, 1, 1, 77),       // 1 expert, heads of 20
      shape(32, 4, 2, 8, 48, 8, 8, 65),        // all experts
      shape(37, 3, 3, 6, 29, 3, 2, 17),        // nothing is round
      shape(256, 4, 2, 64, 512, 2, 1, 300),    // whole super-blocks
      shape(64, 4, 2, 16, 128, 0, 0, 128),     // dense
      shape(64, 4, 2, 16, 128, 0, 0, 128, 8),  // dense, window
      shape(40, 1, 1, 40, 16, 0, 0, 3, 1),     // a token sees itself alone
      shape(40, 5, 5, 4, 16, 17, 4, 3),        // 17 experts top 4, 3 tokens
      shape(16, 2, 2, 2, 16, 2, 2, 40),
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
  ModelConfig config = shape(8 + random.below(120), kv_heads * group, kv_heads,
                             2 + 2 * random.below(16), 8 + random.below(150), experts, top_k,
                             2 + random.below(200), experts == 0 ? random.below(20) : 0);
  config.layers = 1 + random.below(3);
  config.tied_output = random.below(4) == 0;
  config.rope_theta = random.below(2) == 0 ? 1e6 : 1e4;
  return config;
}

std::string describe(const ModelConfig& c, Format format) {
  return fmt::format(
      "{}: dim {}, layers {}, heads {}/{} of {}, ffn {}, experts {}/{}, vocab {}, window {}, tied "
      "{}",
      format_name(format), c.dim, c.layers, c.heads, c.kv_heads, c.head_dim, c.ffn_dim,
      c.experts_per_token, c.experts, c.vocab, c.window, c.tied_output);
}

// The model must choose the experts that the reference's logits call best, but for rounding.
void expect_good_choices(const ReferenceTrace& trace, const Choices& chosen, double slack) {
  for (size_t layer = 0; layer < trace.routes.size(); ++layer) {
    for (size_t token = 0; token < chosen[layer].size(); ++token) {
      const Matrix logits = trace.router_logits[layer].row(static_cast<Eigen::Index>(token));
      const std::vector<int32_t>& experts = chosen[layer][token];
      for (size_t i = 0; i < experts.size(); ++i) {
        // Nobody outside the first i is much better than the i-th.
        for (int32_t other = 0; other < logits.cols(); ++other) {
          const auto end = experts.begin() + static_cast<std::ptrdiff_t>(i);
          if (std::find(experts.begin(), end, other) != end) continue;
          ASSERT_GT(logits(0, experts[i]), logits(0, other) - slack)
              << "layer " << layer << ", token " << token << ", choice " << i;
        }
      }
    }
  }
}

// Relative to the logits' root mean square. f32, f16: sums of some hundred terms. bf16: 16 bits of
// the activations in prefill. Quantized: activations of every product are rounded to int8 blocks of
// 32, which moves a product by about 0.6 % (a step of 2.2 / 127 deviations, evenly rounded, so 0.5
// %, more at small widths); there are 4 products on the way through a layer and one for the logits,
// and their noises add in quadrature. The factor leaves room for a softmax that chooses.
double tolerance(Format format, int64_t layers) {
  if (format == Format::kBF16) return 1e-4;
  if (traits(format).activation == ActivationFormat::kF32) return 1e-5;
  return 3 * 0.006 * std::sqrt(4.0 * static_cast<double>(layers) + 1);
}

void check(const ModelConfig& config, uint64_t seed, Format format, Format stored = Format::kF32) {
  SCOPED_TRACE(describe(config, format));
  const Converted file(config, seed, format, stored);
  TransformerOptions options;
  options.kv_type = KvType::kF32;
  options.threads = 1 + static_cast<int>(seed % 2);
  Runner runner(file.path(), options);
  ModelConfig expected = config;
  if (config.experts > 0)
    expected.window = 0;  // mixtures attend to all, whatever their config says
  ASSERT_TRUE(runner.config() == expected);
  Random random(seed);
  const std::vector<int32_t> ids = random.ids(40, config.vocab);
  const Matrix logits = runner.logits(ids);
  const Runner::Routed routed = runner.take_routing();
  const ReferenceModel reference(runner.file());
  const bool dense = config.experts == 0;
  const ReferenceTrace trace = reference.forward(ids, dense ? nullptr : &routed.experts);
  const double allowed = tolerance(format, config.layers);
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

TEST(RandomModels, RandomShapesInF32) {
  Random random(7);
  for (uint64_t seed = 1; seed <= 40; ++seed) check(random_shape(random), seed, Format::kF32);
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
  const ModelConfig config = shape(64, 4, 2, 16, 172, 5, 3, 99);
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
  ModelConfig config = shape(64, 4, 2, 16, 96, 5, 3, 99);
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
    EXPECT_LT(relative_rms(whole.logits(ids), parts.logits(ids)), tolerance(format, config.layers))
        << format_name(format);
  }
}

// Keys and values in 16 bits: their rounding alone separates the results.
TEST(RandomModels, NarrowCaches) {
  const ModelConfig config = shape(64, 4, 2, 16, 128, 4, 2, 128);
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
