#include "support/random_models.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace octavo::test {

ModelConfig model_shape(int64_t dim, int64_t heads, int64_t kv_heads, int64_t head_dim,
                        int64_t ffn_dim, int64_t experts, int64_t top_k, int64_t vocab,
                        int64_t window) {
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

std::string describe(const ModelConfig& c) {
  return fmt::format(
      "dim {}, layers {}, heads {}/{} of {}, ffn {}, experts {}/{}, vocab {}, context {}, window "
      "{}, tied {}",
      c.dim, c.layers, c.heads, c.kv_heads, c.head_dim, c.ffn_dim, c.experts_per_token, c.experts,
      c.vocab, c.context, c.window, c.tied_output);
}

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

double logits_tolerance(Format format, int64_t layers) {
  if (format == Format::kBF16) return 1e-4;
  if (traits(format).activation == ActivationFormat::kF32) return 1e-5;
  return 3 * 0.006 * std::sqrt(4.0 * static_cast<double>(layers) + 1);
}

}  // namespace octavo::test
