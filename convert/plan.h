// What a conversion will write, before it is written.
#pragma once

#include <functional>

#include "convert/recipe.h"
#include "io/model_file.h"

namespace octavo {

/// The format wanted for a tensor, number `index` of tensor_plan.
using FormatChoice = std::function<Format(const TensorEntry& entry, size_t index)>;

/// Directory for a config with the formats that `recipe` wants, and `otherwise` where none of its
/// rules matches; with notes on tensors that fall back or are padded. Norms and routers stay f32.
ModelDirectory plan_directory(const ModelConfig& config, const Recipe& recipe,
                              const FormatChoice& otherwise);

}  // namespace octavo
