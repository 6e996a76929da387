#include "convert/gguf_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>

#include "core/error.h"

namespace octavo {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is little-endian");

constexpr uint32_t kVersion = 3;

// Types of metadata values.
constexpr uint32_t kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9;

constexpr std::array kTypes = {
    GgufBlockType{Format::kF32, 0, 0},    GgufBlockType{Format::kF16, 1, 1},
    GgufBlockType{Format::kBF16, 30, 32}, GgufBlockType{Format::kQ8_0, 8, 7},
    GgufBlockType{Format::kQ4_0, 2, 2},   GgufBlockType{Format::kQ4_K, 12, 14},
    GgufBlockType{Format::kQ5_K, 13, 16}, GgufBlockType{Format::kQ6_K, 14, 18},
};

template <class T>
void put(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_string(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out += text;
}

template <class T>
void put_all(std::string& out, std::span<const T> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

int64_t align_up(int64_t bytes) {
  return (bytes + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment;
}

}  // namespace

const GgufBlockType& gguf_type(Format format) {
  const auto* row = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](const GgufBlockType& type) { return type.format == format; });
  if (row == kTypes.end()) {
    fail(ErrorCode::kUnsupported, "{} cannot be stored in a GGUF file", format_name(format));
  }
  return *row;
}

void GgufHead::add_key(std::string_view key, uint32_t value_type) {
  put_string(entries_, key);
  put(entries_, value_type);
  ++count_;
}

void GgufHead::add_array(std::string_view key, uint32_t element_type, size_t count) {
  add_key(key, kArray);
  put(entries_, element_type);
  put<uint64_t>(entries_, count);
}

void GgufHead::add(std::string_view key, uint32_t value) {
  add_key(key, kUint32);
  put(entries_, value);
}

void GgufHead::add(std::string_view key, float value) {
  add_key(key, kFloat32);
  put(entries_, value);
}

void GgufHead::add(std::string_view key, bool value) {
  add_key(key, kBool);
  put<uint8_t>(entries_, value ? 1 : 0);
}

void GgufHead::add(std::string_view key, std::string_view value) {
  add_key(key, kString);
  put_string(entries_, value);
}

void GgufHead::add(std::string_view key, std::span<const std::string> values) {
  add_array(key, kString, values.size());
  for (const std::string& value : values) put_string(entries_, value);
}

void GgufHead::add(std::string_view key, std::span<const float> values) {
  add_array(key, kFloat32, values.size());
  put_all(entries_, values);
}

void GgufHead::add(std::string_view key, std::span<const int32_t> values) {
  add_array(key, kInt32, values.size());
  put_all(entries_, values);
}

void GgufHead::add_tensor(GgufEntry tensor) {
  const int64_t cols = tensor.shape.back();
  if (cols % traits(tensor.format).block_cols != 0) {
    fail(ErrorCode::kInvalidArgument, "tensor {} of {} columns cannot be {} in a GGUF file",
         tensor.name, cols, format_name(tensor.format));
  }
  tensor.bytes = row_bytes(tensor.format, cols);
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) tensor.bytes *= tensor.shape[i];
  tensors_.push_back(std::move(tensor));
}

std::string GgufHead::finish() {
  std::string head = "GGUF";
  put(head, kVersion);
  put<uint64_t>(head, tensors_.size());
  put(head, count_);
  head += entries_;
  int64_t offset = 0;  // in the file's data section
  for (GgufEntry& tensor : tensors_) {
    put_string(head, tensor.name);
    put(head, static_cast<uint32_t>(tensor.shape.size()));
    const std::vector<int64_t> innermost_first(tensor.shape.rbegin(), tensor.shape.rend());
    for (const int64_t size : innermost_first) put<uint64_t>(head, size);
    put(head, gguf_type(tensor.format).tensor_type);
    put<uint64_t>(head, offset);
    tensor.offset = offset;
    offset = align_up(offset + tensor.bytes);
  }
  head.resize(static_cast<size_t>(align_up(static_cast<int64_t>(head.size()))), '\0');
  const auto start = static_cast<int64_t>(head.size());
  for (GgufEntry& tensor : tensors_) tensor.offset += start;
  file_bytes_ = start + offset;
  return head;
}

}  // namespace octavo
