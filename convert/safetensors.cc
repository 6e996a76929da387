#include "convert/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "io/json_fields.h"
#include "io/printable.h"

namespace octavo {
namespace {

using nlohmann::json;

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kLongestHeader = 100'000'000;  // the format's own limit
constexpr size_t kMostDimensions = 8;

// Bytes of one element; 0 for a type that this reader does not know.
int64_t element_bytes(std::string_view dtype) {
  for (const char* name : {"F64", "I64", "U64"}) {
    if (dtype == name) return 8;
  }
  for (const char* name : {"F32", "I32", "U32"}) {
    if (dtype == name) return 4;
  }
  for (const char* name : {"F16", "BF16", "I16", "U16"}) {
    if (dtype == name) return 2;
  }
  for (const char* name : {"I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"}) {
    if (dtype == name) return 1;
  }
  return 0;
}

// JSON that names a tensor twice would silently lose one.
json parse_without_duplicates(std::string_view text, const std::string& name) {
  std::set<std::string> seen;
  const json::parser_callback_t check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key && depth == 1 &&
        !seen.insert(parsed.get<std::string>()).second) {
      fail(ErrorCode::kFormat, "{}: tensor {} is listed twice", name,
           printable(parsed.get<std::string>()));
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception&) {
    fail(ErrorCode::kFormat, "{}: the safetensors header is damaged JSON", name);
  }
}

// A non-negative integer of a two-element or shape array.
int64_t natural(const json& value, const std::string& tensor) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{1} << 62) {
    fail(ErrorCode::kFormat, "tensor {}: a size or offset is no natural number", printable(tensor));
  }
  return value.get<int64_t>();
}

// Product of the shape in bytes; checked against overflow.
int64_t shape_bytes(const SafeTensor& tensor, int64_t element, const std::string& name) {
  int64_t bytes = element;
  for (const int64_t size : tensor.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      fail(ErrorCode::kFormat, "tensor {}: the shape is too large", printable(name));
    }
  }
  return bytes;
}

SafeTensor parse_tensor(const std::string& name, const json& entry, int64_t data_offset,
                        int64_t file_size) {
  const JsonFields fields(entry, "tensor " + printable(name));
  SafeTensor tensor;
  tensor.dtype = fields.string("dtype");
  const json& shape = fields.array("shape");
  if (shape.size() > kMostDimensions) {
    fail(ErrorCode::kFormat, "tensor {} has {} dimensions", printable(name), shape.size());
  }
  for (const json& size : shape) tensor.shape.push_back(natural(size, name));
  const json& offsets = fields.array("data_offsets");
  if (offsets.size() != 2) {
    fail(ErrorCode::kFormat, "tensor {}: data_offsets is no pair", printable(name));
  }
  const int64_t begin = natural(offsets[0], name), end = natural(offsets[1], name);
  if (begin > end || end > file_size - data_offset) {
    fail(ErrorCode::kFormat,
         "tensor {} reaches to byte {} of {} of data: the file is cut short or damaged",
         printable(name), end, file_size - data_offset);
  }
  tensor.offset = data_offset + begin;
  tensor.bytes = end - begin;
  const int64_t element = element_bytes(tensor.dtype);
  if (element > 0 && shape_bytes(tensor, element, name) != tensor.bytes) {
    fail(ErrorCode::kFormat, "tensor {}: {} bytes do not fit its type and shape", printable(name),
         tensor.bytes);
  }
  return tensor;
}

// The format demands it: no overlap, no gap, nothing after the last tensor.
void check_cover(const SafeTensors& tensors, int64_t data_offset, int64_t file_size) {
  std::vector<std::pair<const SafeTensor*, const std::string*>> order;
  for (const auto& [name, tensor] : tensors) order.emplace_back(&tensor, &name);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first->offset, a.first->bytes) < std::pair(b.first->offset, b.first->bytes);
  });
  int64_t expected = data_offset;
  for (const auto& [tensor, name] : order) {
    if (tensor->offset != expected) {
      fail(ErrorCode::kFormat, "tensor {} {}", printable(*name),
           tensor->offset < expected ? "overlaps another one" : "follows bytes of no tensor");
    }
    expected += tensor->bytes;
  }
  if (expected != file_size) {
    fail(ErrorCode::kFormat, "{} bytes after the last tensor: not the file that was written",
         file_size - expected);
  }
}

SafeTensors parse_header(std::span<const std::byte> bytes, int64_t file_size) {
  uint64_t length = 0;
  if (bytes.size() < kLengthBytes) {
    fail(ErrorCode::kFormat, "no safetensors file: {} bytes", bytes.size());
  }
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kLongestHeader || length > bytes.size() - kLengthBytes) {
    fail(ErrorCode::kFormat, "the safetensors header would have {} bytes: cut short or damaged",
         length);
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (!text.starts_with('{')) fail(ErrorCode::kFormat, "no safetensors header");
  const json root = parse_without_duplicates(text, "header");
  const int64_t data_offset = kLengthBytes + static_cast<int64_t>(length);
  SafeTensors tensors;
  for (const auto& [name, entry] : root.items()) {
    if (name == "__metadata__") continue;
    tensors[name] = parse_tensor(name, entry, data_offset, file_size);
  }
  check_cover(tensors, data_offset, file_size);
  return tensors;
}

}  // namespace

SafeTensors parse_safetensors_header(std::span<const std::byte> bytes, int64_t file_size,
                                     const std::string& name) {
  try {
    return parse_header(bytes, file_size);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", name, error.what());
  }
}

}  // namespace octavo
