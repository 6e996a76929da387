// The little of Protocol Buffers' wire format that writing a SentencePiece model takes.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace octavo {

/// One message, field after field.
class ProtobufMessage {
 public:
  ProtobufMessage& integer(int field, int64_t value) {
    key(field, 0);
    return varint(static_cast<uint64_t>(value));
  }
  ProtobufMessage& boolean(int field, bool value) { return integer(field, value ? 1 : 0); }
  ProtobufMessage& number(int field, float value) {
    key(field, 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
    return *this;
  }
  ProtobufMessage& text(int field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufMessage& message(int field, const ProtobufMessage& value) {
    return text(field, value.bytes_);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, unsigned type) { varint(static_cast<uint64_t>(field) << 3 | type); }
  ProtobufMessage& varint(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
    return *this;
  }

  std::string bytes_;
};

}  // namespace octavo
