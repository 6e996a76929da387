#include "text/utf8_stream.h"

#include <cstdint>

namespace octavo {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr int kInvalid = 0;
constexpr int kCutShort = -1;

struct Range {
  uint8_t first, last;
};

/// Bytes of the character that `lead` starts; kInvalid if it starts none.
int length_of(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return kInvalid;
}

/// Which second bytes may follow: leaves out overlong forms, surrogates and what is past U+10FFFF.
Range second_byte_of(uint8_t lead) {
  switch (lead) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {0x80, 0xBF};
  }
}

/// Bytes of the character at the front of `bytes` (not empty), kInvalid, or kCutShort.
int front_character(std::string_view bytes) {
  const auto byte = [bytes](int i) { return static_cast<uint8_t>(bytes[static_cast<size_t>(i)]); };
  const int length = length_of(byte(0));
  for (int i = 1; i < length; ++i) {
    if (i == static_cast<int>(bytes.size())) return kCutShort;
    const Range range = i == 1 ? second_byte_of(byte(0)) : Range{0x80, 0xBF};
    if (byte(i) < range.first || byte(i) > range.last) return kInvalid;
  }
  return length;
}

}  // namespace

std::string Utf8Stream::add(std::string_view bytes) {
  held_ += bytes;
  std::string out;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const int length = front_character(rest);
    if (length == kCutShort) break;
    out += length == kInvalid ? kReplacement : rest.substr(0, static_cast<size_t>(length));
    rest.remove_prefix(length == kInvalid ? 1 : static_cast<size_t>(length));
  }
  held_.erase(0, held_.size() - rest.size());
  return out;
}

std::string Utf8Stream::finish() {
  std::string out;
  for (size_t i = 0; i < held_.size(); ++i) out += kReplacement;
  held_.clear();
  return out;
}

}  // namespace octavo
