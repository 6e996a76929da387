// GGUF files: metadata, the list of tensors, then the tensors' bytes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// The types of metadata, with their numbers in the file.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kText = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

/// One value, or an array of values of one type, still encoded: a view into the file.
struct GgufValue {
  GgufType type = GgufType::kU8;  ///< of an array: of its elements
  bool is_array = false;
  uint64_t count = 1;                ///< elements
  std::span<const std::byte> bytes;  ///< of texts: each with its length before it
};

/// One tensor of a GGUF file.
struct GgufTensor {
  std::string type;            ///< "Q4_K", "F32", ...
  std::vector<int64_t> shape;  ///< row-major: the file's order turned round
  int64_t offset = 0;          ///< of its bytes, from the start of the file
  int64_t bytes = 0;
};

struct GgufHeader {
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::map<std::string, GgufTensor, std::less<>> tensors;
};

/// Whether a file that starts so claims to be GGUF.
bool is_gguf(std::span<const std::byte> bytes);

/// Reads and checks the header of a GGUF file of `file_size` bytes that starts with `bytes`:
/// version, counts, lengths, types, shapes, and that the tensors lie in the file, aligned and
/// without overlap. Metadata are views into `bytes`. `name` stands in messages. Throws
/// Error(kFormat), and Error(kUnsupported) for versions and types that this reader does not know.
/// The fuzzed entry.
GgufHeader parse_gguf_header(std::span<const std::byte> bytes, int64_t file_size,
                             const std::string& name);

}  // namespace octavo
