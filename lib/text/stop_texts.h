// Texts that end a generation: found over the borders of tokens, and never shown.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// The match that begins first counts, of those that begin alike the first in the list; how the
/// text is cut into pieces makes no difference.
class StopTexts {
 public:
  /// Throws Error(kInvalidArgument) for a text that is empty or no UTF-8.
  explicit StopTexts(std::span<const std::string> texts);

  /// Takes the next piece of whole UTF-8 and returns what can be shown now. What may be the
  /// beginning of a stop text is held back; behind one there is nothing more.
  std::string add(std::string_view piece);
  /// The end: what is held back is no beginning, but may have a shorter stop text in it.
  std::string finish();
  /// Which of the texts was found; -1: none.
  int found() const { return found_; }

 private:
  /// Shows what is in front of the first stop text, whole or (unless `at_end`) begun.
  std::string show(bool at_end);

  std::vector<std::string> texts_;
  std::string held_;
  int found_ = -1;
};

}  // namespace octavo
