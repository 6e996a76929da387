#include "text/stop_texts.h"

#include <algorithm>
#include <utility>

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
  for (size_t begin = 0; begin < held_.size(); ++begin) {
    const std::string_view rest = std::string_view(held_).substr(begin);
    const auto first = std::find_if(texts_.begin(), texts_.end(), [&](const std::string& text) {
      return rest.starts_with(text) || (!at_end && text.starts_with(rest));
    });
    if (first == texts_.end()) continue;
    std::string shown = held_.substr(0, begin);
    if (rest.starts_with(*first)) {
      found_ = static_cast<int>(first - texts_.begin());
      held_.clear();
    } else {
      held_.erase(0, begin);  // it may still come, before those behind it in the list
    }
    return shown;
  }
  return std::exchange(held_, {});
}

}  // namespace octavo
