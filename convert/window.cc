#include "convert/window.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "convert/gguf_metadata.h"
#include "core/error.h"
#include "io/json_fields.h"
#include "io/printable.h"

namespace octavo {
namespace {

constexpr const char* kJsonKey = "sliding_window";
constexpr const char* kGgufKey = "llama.attention.sliding_window";

int64_t parse_window(const char* key, std::string_view text) {
  for (const char* none : {"", "None", "none", "null"}) {
    if (text == none) return 0;
  }
  int64_t window = 0;
  const char* const end = text.data() + text.size();
  const auto [read_to, error] = std::from_chars(text.data(), end, window);
  if (error != std::errc() || read_to != end) {
    fail(ErrorCode::kFormat, "\"{}\" is \"{}\", expected a number or None", key, printable(text));
  }
  return window;
}

int64_t not_negative(const char* key, int64_t window) {
  if (window >= 0) return window;
  fail(ErrorCode::kFormat, "\"{}\" is {}, expected a number of tokens, or 0 for none", key, window);
}

std::string window_text(int64_t window) {
  return window > 0 ? fmt::format("a sliding window of {}", window) : "no sliding window";
}

}  // namespace

int64_t json_window(const nlohmann::json& root) {
  const JsonFields fields(root, "config");
  const bool is_text = fields.has(kJsonKey) && root[kJsonKey].is_string();
  return not_negative(kJsonKey, is_text ? parse_window(kJsonKey, fields.string(kJsonKey))
                                        : fields.integer_or(kJsonKey, 0));
}

int64_t gguf_window(const GgufMetadata& metadata) {
  return not_negative(kGgufKey, metadata.is_text(kGgufKey)
                                    ? parse_window(kGgufKey, metadata.text(kGgufKey))
                                    : metadata.integer_or(kGgufKey, 0));
}

std::string settle_window(ModelConfig& config, std::optional<int64_t> asked) {
  const int64_t source = config.window;
  if (asked) {
    set_window(config, *asked);
    if (*asked == source) return "";
    return fmt::format("{} as asked for; the source has {}", window_text(*asked),
                       window_text(source));
  }
  const bool is_ignored = config.experts > 0 && source > 0;
  if (!is_ignored && source <= config.context) return "";
  config.window = 0;
  if (is_ignored) {
    return fmt::format(
        "the source's sliding window of {} is ignored: Mixtral attends to its whole context; "
        "--window sets one",
        source);
  }
  return fmt::format(
      "the source's sliding window of {} is longer than the context of {}: the model has none",
      source, config.context);
}

}  // namespace octavo
