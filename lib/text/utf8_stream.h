// Bytes in as they come, whole UTF-8 characters out.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

/// Holds back a character whose last bytes are still to come. A byte that belongs to no character
/// gives U+FFFD, one for each such byte (as SentencePiece decodes).
class Utf8Stream {
 public:
  /// The characters that are whole now.
  std::string add(std::string_view bytes);
  /// No more bytes follow: what was held back cannot become a character.
  std::string finish();

 private:
  std::string held_;
};

}  // namespace octavo
