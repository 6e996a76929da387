#include "convert/gguf_metadata.h"

#include <cstring>
#include <limits>
#include <optional>

#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

template <class T>
T load(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

[[noreturn]] void mistyped(std::string_view key, const char* expected) {
  fail(ErrorCode::kFormat, "metadata entry {} is no {}", printable(key), expected);
}

// Element `i` of a value, none when it is no integer or beyond int64.
std::optional<int64_t> integer_at(const GgufValue& value, uint64_t i) {
  const std::byte* bytes = value.bytes.data();
  switch (value.type) {
    case GgufType::kU8:
      return load<uint8_t>(bytes + i);
    case GgufType::kI8:
      return load<int8_t>(bytes + i);
    case GgufType::kU16:
      return load<uint16_t>(bytes + 2 * i);
    case GgufType::kI16:
      return load<int16_t>(bytes + 2 * i);
    case GgufType::kU32:
      return load<uint32_t>(bytes + 4 * i);
    case GgufType::kI32:
      return load<int32_t>(bytes + 4 * i);
    case GgufType::kU64: {
      const auto wide = load<uint64_t>(bytes + 8 * i);
      if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(wide);
    }
    case GgufType::kI64:
      return load<int64_t>(bytes + 8 * i);
    default:
      return std::nullopt;
  }
}

std::optional<double> number_at(const GgufValue& value, uint64_t i) {
  if (value.type == GgufType::kF32) return load<float>(value.bytes.data() + 4 * i);
  if (value.type == GgufType::kF64) return load<double>(value.bytes.data() + 8 * i);
  const std::optional<int64_t> integer = integer_at(value, i);
  if (!integer) return std::nullopt;
  return static_cast<double>(*integer);
}

// Takes the first text off `bytes`; the parser has checked the lengths.
std::string_view next_text(std::span<const std::byte>& bytes) {
  const auto length = static_cast<size_t>(load<uint64_t>(bytes.data()));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  bytes = bytes.subspan(8 + length);
  return text;
}

}  // namespace

const GgufValue& GgufMetadata::entry(std::string_view key) const {
  const auto found = header_.metadata.find(key);
  if (found == header_.metadata.end()) {
    fail(ErrorCode::kFormat, "metadata entry {} is missing", printable(key));
  }
  return found->second;
}

const GgufValue& GgufMetadata::single(std::string_view key, const char* expected) const {
  const GgufValue& value = entry(key);
  if (value.is_array) mistyped(key, expected);
  return value;
}

const GgufValue& GgufMetadata::array(std::string_view key, const char* expected) const {
  const GgufValue& value = entry(key);
  if (!value.is_array) mistyped(key, expected);
  return value;
}

bool GgufMetadata::has(std::string_view key) const {
  return header_.metadata.find(key) != header_.metadata.end();
}

bool GgufMetadata::is_text(std::string_view key) const {
  const auto found = header_.metadata.find(key);
  return found != header_.metadata.end() && !found->second.is_array &&
         found->second.type == GgufType::kText;
}

int64_t GgufMetadata::integer(std::string_view key) const {
  const std::optional<int64_t> value = integer_at(single(key, "integer"), 0);
  if (!value) mistyped(key, "integer");
  return *value;
}

double GgufMetadata::number(std::string_view key) const {
  const std::optional<double> value = number_at(single(key, "number"), 0);
  if (!value) mistyped(key, "number");
  return *value;
}

bool GgufMetadata::boolean(std::string_view key) const {
  const GgufValue& value = single(key, "boolean");
  if (value.type != GgufType::kBool) mistyped(key, "boolean");
  return value.bytes[0] != std::byte{0};
}

std::string_view GgufMetadata::text(std::string_view key) const {
  const GgufValue& value = single(key, "text");
  if (value.type != GgufType::kText) mistyped(key, "text");
  std::span<const std::byte> bytes = value.bytes;
  return next_text(bytes);
}

std::vector<int64_t> GgufMetadata::integers(std::string_view key) const {
  const GgufValue& value = array(key, "array of integers");
  std::vector<int64_t> integers;
  for (uint64_t i = 0; i < value.count; ++i) {
    const std::optional<int64_t> integer = integer_at(value, i);
    if (!integer) mistyped(key, "array of integers");
    integers.push_back(*integer);
  }
  return integers;
}

std::vector<float> GgufMetadata::numbers(std::string_view key) const {
  const GgufValue& value = array(key, "array of numbers");
  std::vector<float> numbers;
  for (uint64_t i = 0; i < value.count; ++i) {
    const std::optional<double> number = number_at(value, i);
    if (!number) mistyped(key, "array of numbers");
    numbers.push_back(static_cast<float>(*number));
  }
  return numbers;
}

int64_t GgufMetadata::count_of_texts(std::string_view key) const {
  const GgufValue& value = array(key, "array of texts");
  if (value.type != GgufType::kText) mistyped(key, "array of texts");
  return static_cast<int64_t>(value.count);
}

std::vector<std::string_view> GgufMetadata::texts(std::string_view key) const {
  const int64_t count = count_of_texts(key);
  std::span<const std::byte> bytes = entry(key).bytes;
  std::vector<std::string_view> texts;
  for (int64_t i = 0; i < count; ++i) texts.push_back(next_text(bytes));
  return texts;
}

int64_t GgufMetadata::integer_or(std::string_view key, int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

double GgufMetadata::number_or(std::string_view key, double fallback) const {
  return has(key) ? number(key) : fallback;
}

bool GgufMetadata::boolean_or(std::string_view key, bool fallback) const {
  return has(key) ? boolean(key) : fallback;
}

std::string_view GgufMetadata::text_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : fallback;
}

}  // namespace octavo
