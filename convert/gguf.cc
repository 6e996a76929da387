#include "convert/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "convert/gguf_reader.h"
#include "convert/source_type.h"
#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr size_t kMostEntries = 1 << 16, kMostTensors = 1 << 19;
constexpr size_t kLongestKey = (1 << 16) - 1, kLongestTensorName = 255;  // the format says 64
constexpr size_t kSmallestEntry = 13, kSmallestTensor = 32;              // in bytes
constexpr uint32_t kMostDimensions = 4;
constexpr int64_t kDefaultAlignment = 32, kLargestAlignment = 1 << 24;

// By the file's numbers. Known by name here does not mean that it can be read.
constexpr std::array<std::string_view, 40> kTensorTypes = {
    "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
    "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
    "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
    "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
    "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
    "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4"};

// Bytes of a value; 0 for a type without a size of its own.
size_t value_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kText:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

GgufType value_type(GgufReader& reader, const std::string& where, const std::string& name) {
  const auto number = reader.number<uint32_t>(where);
  if (number > static_cast<uint32_t>(GgufType::kF64)) {
    fail(ErrorCode::kFormat, "{}: {} is of the unknown type {}", name, where, number);
  }
  return static_cast<GgufType>(number);
}

GgufValue parse_value(GgufReader& reader, const std::string& where, const std::string& name) {
  GgufValue value;
  value.type = value_type(reader, where, name);
  if (value.type == GgufType::kArray) {
    value.is_array = true;
    value.type = value_type(reader, where, name);
    if (value.type == GgufType::kArray) {
      fail(ErrorCode::kUnsupported, "{}: {} is an array of arrays", name, where);
    }
    value.count = reader.number<uint64_t>(where);
  }
  const size_t size = value_bytes(value.type);
  const size_t smallest = size == 0 ? sizeof(uint64_t) : size;
  // Also keeps the product below from overflowing.
  if (value.count > reader.left() / smallest) reader.take(reader.left() + 1, where);
  if (size > 0) {
    value.bytes = reader.take(value.count * size, where);
    return value;
  }
  GgufReader ahead = reader;
  for (uint64_t i = 0; i < value.count; ++i) ahead.text(ahead.left(), where);
  value.bytes = reader.take(ahead.position() - reader.position(), where);
  return value;
}

void parse_metadata(GgufReader& reader, uint64_t count, GgufHeader& header,
                    const std::string& name) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string key(reader.text(kLongestKey, "the name of a metadata entry"));
    const std::string where = "metadata entry " + printable(key);
    if (!header.metadata.try_emplace(key, parse_value(reader, where, name)).second) {
      fail(ErrorCode::kFormat, "{}: {} is there twice", name, where);
    }
  }
}

int64_t alignment(const GgufHeader& header, const std::string& name) {
  const auto found = header.metadata.find("general.alignment");
  if (found == header.metadata.end()) return kDefaultAlignment;
  uint32_t value = 0;
  if (found->second.type == GgufType::kU32 && !found->second.is_array) {
    std::memcpy(&value, found->second.bytes.data(), sizeof value);
  }
  if (value < 8 || value > kLargestAlignment || !std::has_single_bit(value)) {
    fail(ErrorCode::kFormat, "{}: general.alignment is no power of two from 8 to {}", name,
         kLargestAlignment);
  }
  return value;
}

std::string type_name(uint32_t number, const std::string& where, const std::string& name) {
  if (number >= kTensorTypes.size()) {
    fail(ErrorCode::kUnsupported, "{}: {} is of the unknown type {}", name, where, number);
  }
  const std::string type(kTensorTypes[number]);
  if (!parse_source_type(type)) {
    fail(ErrorCode::kUnsupported, "{}: {} is of type {}, which is not supported", name, where,
         type);
  }
  return type;
}

// Of a dense tensor; checked against overflow.
int64_t tensor_bytes(const GgufTensor& tensor, const std::string& where, const std::string& name) {
  const SourceTypeTraits& type = traits(*parse_source_type(tensor.type));
  const int64_t cols = tensor.shape.back();
  if (cols % type.block_cols != 0) {
    fail(ErrorCode::kFormat, "{}: {} has rows of {} values, but {} comes in blocks of {}", name,
         where, cols, tensor.type, type.block_cols);
  }
  int64_t bytes = type.block_bytes;
  bool overflow = __builtin_mul_overflow(bytes, cols / type.block_cols, &bytes);
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    overflow |= __builtin_mul_overflow(bytes, tensor.shape[i], &bytes);
  }
  if (overflow) fail(ErrorCode::kFormat, "{}: the shape of {} is too large", name, where);
  return bytes;
}

// The offset is still relative to the data.
GgufTensor parse_tensor(GgufReader& reader, const std::string& where, const std::string& name) {
  GgufTensor tensor;
  const auto dimensions = reader.number<uint32_t>(where);
  if (dimensions < 1 || dimensions > kMostDimensions) {
    fail(ErrorCode::kFormat, "{}: {} has {} dimensions", name, where, dimensions);
  }
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto size = reader.number<uint64_t>(where);
    if (size == 0 || size > uint64_t{1} << 62) {
      fail(ErrorCode::kFormat, "{}: {} has a dimension of {}", name, where, size);
    }
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  tensor.type = type_name(reader.number<uint32_t>(where), where, name);
  tensor.bytes = tensor_bytes(tensor, where, name);
  const auto offset = reader.number<uint64_t>(where);
  if (offset > uint64_t{1} << 62) {
    fail(ErrorCode::kFormat, "{}: {} starts at byte {}", name, where, offset);
  }
  tensor.offset = static_cast<int64_t>(offset);
  return tensor;
}

void parse_tensors(GgufReader& reader, uint64_t count, GgufHeader& header,
                   const std::string& name) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string tensor(reader.text(kLongestTensorName, "the name of a tensor"));
    const std::string where = "tensor " + printable(tensor);
    if (!header.tensors.try_emplace(tensor, parse_tensor(reader, where, name)).second) {
      fail(ErrorCode::kFormat, "{}: {} is listed twice", name, where);
    }
  }
}

// Makes offsets absolute and checks that the tensors lie in the file, aligned, without overlap.
void place_tensors(GgufHeader& header, int64_t header_bytes, int64_t file_size,
                   const std::string& name) {
  const int64_t step = alignment(header, name);
  const int64_t data = (header_bytes + step - 1) / step * step;
  std::vector<std::pair<const GgufTensor*, const std::string*>> order;
  for (auto& [tensor_name, tensor] : header.tensors) {
    if (tensor.offset % step != 0) {
      fail(ErrorCode::kFormat, "{}: tensor {} starts at byte {}, no multiple of {}", name,
           printable(tensor_name), tensor.offset, step);
    }
    if (tensor.bytes > file_size - data || tensor.offset > file_size - data - tensor.bytes) {
      fail(ErrorCode::kFormat,
           "{}: tensor {} reaches past the end: the file is cut short or "
           "damaged",
           name, printable(tensor_name));
    }
    tensor.offset += data;
    order.emplace_back(&tensor, &tensor_name);
  }
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.first->offset < b.first->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    const GgufTensor& before = *order[i - 1].first;
    if (before.offset + before.bytes <= order[i].first->offset) continue;
    fail(ErrorCode::kFormat, "{}: tensors {} and {} overlap", name, printable(*order[i - 1].second),
         printable(*order[i].second));
  }
}

void check_version(uint32_t version, const std::string& name) {
  if (version == 2 || version == 3) return;
  if (version != 0 && version % 65536 == 0) {
    fail(ErrorCode::kUnsupported, "{}: a big-endian GGUF file is not supported", name);
  }
  fail(ErrorCode::kUnsupported, "{}: version {} of GGUF is not supported, only 2 and 3", name,
       version);
}

}  // namespace

bool is_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() &&
         std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

GgufHeader parse_gguf_header(std::span<const std::byte> bytes, int64_t file_size,
                             const std::string& name) {
  if (!is_gguf(bytes)) fail(ErrorCode::kFormat, "{}: not a GGUF file", name);
  GgufReader reader(bytes, name);
  reader.take(kMagic.size(), "the magic");
  check_version(reader.number<uint32_t>("the version"), name);
  const uint64_t tensors = reader.count(kSmallestTensor, kMostTensors, "tensors");
  const uint64_t entries = reader.count(kSmallestEntry, kMostEntries, "metadata entries");
  GgufHeader header;
  parse_metadata(reader, entries, header, name);
  parse_tensors(reader, tensors, header, name);
  place_tensors(header, static_cast<int64_t>(reader.position()), file_size, name);
  return header;
}

}  // namespace octavo
