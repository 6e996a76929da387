// A template and a conversation to marked text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template/value.h"

namespace octavo::jinja {

/// What a rendering may cost. Conversations stay far below.
struct RenderLimits {
  int64_t work = 50'000'000;  ///< steps, and bytes that they touch
  size_t output = 16 << 20;   ///< bytes
};

/// Renders `source` with these names defined. Throws Error(kFormat) for what is no template,
/// Error(kUnsupported) for what octavo does not know, both naming the line, and
/// Error(kInvalidArgument) when the template itself refuses (raise_exception).
MarkedText render_template(std::string_view source,
                           std::vector<std::pair<std::string, Value>> variables,
                           const RenderLimits& limits = {});

}  // namespace octavo::jinja
