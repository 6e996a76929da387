// Takes a GGUF header apart, value by value; not for use outside convert/.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace octavo {

/// What is left of a header. Every count is compared with the bytes that are left before anything
/// is done with it.
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(uint64_t count, std::string_view what) {
    if (count > left()) {
      fail(ErrorCode::kFormat, "{}: {} reaches past the end: the file is cut short or damaged",
           name_, what);
    }
    const auto taken = bytes_.subspan(position_, static_cast<size_t>(count));
    position_ += taken.size();
    return taken;
  }

  template <class T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  std::string_view text(size_t longest, std::string_view what) {
    const auto length = number<uint64_t>(what);
    if (length > longest) {
      fail(ErrorCode::kFormat, "{}: {} of {} bytes is too long", name_, what, length);
    }
    const auto taken = take(length, what);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  // The number of things that take at least `smallest` bytes each.
  uint64_t count(size_t smallest, size_t most, std::string_view what) {
    const auto value = number<uint64_t>(what);
    if (value > most) fail(ErrorCode::kFormat, "{}: {} {} are too many", name_, value, what);
    // What is before them is still to come, so this is no exact bound.
    if (value > left() / smallest) {
      fail(ErrorCode::kFormat, "{}: {} {} in {} bytes: the file is cut short or damaged", name_,
           value, what, left());
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& name_;
  size_t position_ = 0;
};

}  // namespace octavo
