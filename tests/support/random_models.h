// Shapes of random models, and how closely a model follows the reference.
#pragma once

#include <cstdint>
#include <string>

#include "model/config.h"
#include "quant/format.h"
#include "support/reference_model.h"

namespace octavo::test {

/// A mixture, or a dense model where experts is 0: 2 layers, a context of 128.
ModelConfig model_shape(int64_t dim, int64_t heads, int64_t kv_heads, int64_t head_dim,
                        int64_t ffn_dim, int64_t experts, int64_t top_k, int64_t vocab,
                        int64_t window = 0);

std::string describe(const ModelConfig& config);

/// The model must choose the experts that the reference's logits call best, but for rounding.
void expect_good_choices(const ReferenceTrace& trace, const Choices& chosen, double slack);

/// How far logits may be off, relative to their root mean square. f32, f16: sums of some hundred
/// terms. bf16: 16 bits of the activations in prefill. Quantized: activations of every product are
/// rounded to int8 blocks of 32, which moves a product by about 0.6 % (a step of 2.2 / 127
/// deviations, evenly rounded, so 0.5 %, more at small widths); there are 4 products on the way
/// through a layer and one for the logits, and their noises add in quadrature. The factor leaves
/// room for a softmax that chooses.
double logits_tolerance(Format format, int64_t layers);

}  // namespace octavo::test
