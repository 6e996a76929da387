// Long prompts, fed so that somebody can watch and stop.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "octavo/octavo.hpp"

namespace octavo::cli {

/// Feeds `ids` in parts of `chunk` tokens and calls on_tokens with the size of each; when it
/// returns false, the rest is left and the result is empty. Otherwise the logits [vocab] after the
/// last id, valid until the session's next call.
std::span<const float> feed_watched(Session& session, std::span<const int32_t> ids, int64_t chunk,
                                    const std::function<bool(int64_t)>& on_tokens);

}  // namespace octavo::cli
