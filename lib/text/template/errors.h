// What is wrong with a template, always with its line and the way out.
#pragma once

#include <string>
#include <utility>

#include "core/error.h"
#include "io/printable.h"

namespace octavo::jinja {

/// A construct that octavo does not know, `what` in words: "the filter 'batch'".
[[noreturn]] inline void fail_unsupported(int line, const std::string& what) {
  fail(ErrorCode::kUnsupported,
       "the chat template uses {} in line {}, which octavo does not know; the template mistral-v1 "
       "(--template mistral-v1) does without it",
       what, line);
}

/// A template that is no valid Jinja, or an operation that cannot be done with its values.
template <class... Args>
[[noreturn]] void fail_in_line(int line, fmt::format_string<Args...> message, Args&&... args) {
  fail(ErrorCode::kFormat,
       "line {} of the chat template: {}; the template mistral-v1 (--template mistral-v1) does "
       "without it",
       line, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace octavo::jinja
