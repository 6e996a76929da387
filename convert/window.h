// The sliding window of a model: what its source says, and what becomes of it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "model/config.h"

namespace octavo {

class GgufMetadata;

/// `sliding_window` of config.json and params.json: a number, or one as text; absent, null, "" and
/// "None" are none, 0. Throws Error(kFormat).
int64_t json_window(const nlohmann::json& root);
/// llama.attention.sliding_window, in the same forms. Throws Error(kFormat).
int64_t gguf_window(const GgufMetadata& metadata);

/// Turns config.window from what the source says into what the model gets: `asked` (0: none) where
/// there is one. Otherwise a dense model keeps it and a mixture has none: the 4096 of the first
/// Mixtral configs was withdrawn. Returns a line for people, empty when the source was followed.
/// Throws Error(kInvalidArgument) when `asked` is not in 0..context.
std::string settle_window(ModelConfig& config, std::optional<int64_t> asked);

}  // namespace octavo
