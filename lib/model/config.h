// What makes a model's shape a valid one, and how it is written down.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "octavo/model_config.hpp"

namespace octavo {

/// Throws Error(kFormat) naming the first entry that no model can have (zero, negative, not
/// dividing, huge).
void validate(const ModelConfig& config);

/// Replaces the window, 0: none. Throws Error(kInvalidArgument) when it is not in 0..context.
void set_window(ModelConfig& config, int64_t window);

nlohmann::json to_json(const ModelConfig& config);
/// Reads and validates. Throws Error(kFormat) naming the missing or mistyped entry.
ModelConfig config_from_json(const nlohmann::json& json);

}  // namespace octavo
