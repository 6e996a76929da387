// Names that came from a file, fit for a message of one line.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

inline std::string printable(std::string_view text) {
  constexpr size_t kLongest = 100;
  std::string out(text.substr(0, kLongest));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  if (text.size() > kLongest) out += "...";
  return out;
}

}  // namespace octavo
