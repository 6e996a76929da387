#include "text/stop_texts.h"

#include "core/error.h"
#include "text/utf8_stream.h"

namespace octavo {
namespace {

bool is_utf8(const std::string& text) {
  Utf8Stream stream;
  return stream.add(text) == text;
}

}  // namespace

StopTexts::StopTexts(std::span<const std::string> texts) : texts_(texts.begin(), texts.end()) {
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (texts_[i].empty()) fail(ErrorCode::kInvalidArgument, "stop text {} is empty", i + 1);
    if (!is_utf8(texts_[i])) {
      fail(ErrorCode::kInvalidArgument, "stop text {} is not UTF-8, as all generated text is",
           i + 1);
    }
  }
}

std::string StopTexts::add(std::string_view piece) {
  if (found_ >= 0) return {};
  if (texts_.empty()) return std::string(piece);
  held_ += piece;
  return show(false);
}

std::string StopTexts::finish() { return found_ >= 0 ? std::string() : show(true); }

std::string StopTexts::show(bool at_end) {
  size_t begin = 0;
  for (bool is_begun = false; begin < held_.size() && !is_begun; begin += is_begun ? 0 : 1) {
    const std::string_view rest = std::string_view(held_).substr(begin);
    for (size_t i = 0; i < texts_.size() && !is_begun; ++i) {
      const std::string_view text = texts_[i];
      if (rest.starts_with(text)) {
        found_ = static_cast<int>(i);
        held_.resize(begin);
        return std::exchange(held_, {});
      }
      // An earlier one that may still come leaves later ones waiting.
      is_begun = !at_end && text.starts_with(rest);
    }
  }
  std::string shown = held_.substr(0, begin);
  held_.erase(0, begin);
  return shown;
}

}  // namespace octavo
