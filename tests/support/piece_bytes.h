// SentencePiece models made by hand: fields of a protocol buffer, each shorter than 128 bytes.
#pragma once

#include <cstring>
#include <string>

namespace octavo::test {

/// The start of a field that holds `length` bytes.
inline std::string field_start(int number, size_t length) {
  return {static_cast<char>(number << 3 | 2), static_cast<char>(length)};
}

inline std::string bytes_field(int number, const std::string& bytes) {
  return field_start(number, bytes.size()).append(bytes);
}

inline std::string number_field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

inline std::string float_field(int number, float value) {
  std::string bytes(1 + sizeof value, static_cast<char>(number << 3 | 5));
  std::memcpy(bytes.data() + 1, &value, sizeof value);
  return bytes;
}

/// A piece of the model; `rest`: fields for its score (2) and type (3).
inline std::string piece_field(const std::string& name, const std::string& rest) {
  return bytes_field(1, bytes_field(1, name).append(rest));
}

}  // namespace octavo::test
