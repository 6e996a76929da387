// Safetensors files: an 8-byte length, a JSON header of that length, then the tensors' bytes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// One tensor of a safetensors file.
struct SafeTensor {
  std::string dtype;  ///< "BF16", "F32", ...
  std::vector<int64_t> shape;
  int64_t offset = 0;  ///< of its bytes, from the start of the file
  int64_t bytes = 0;
};
using SafeTensors = std::map<std::string, SafeTensor, std::less<>>;

/// Reads and checks the header of a safetensors file of `file_size` bytes that starts with `bytes`:
/// lengths, types, shapes, and that the tensors cover the data exactly, without overlap. `name`
/// stands in messages. Throws Error(kFormat). The fuzzed entry.
SafeTensors parse_safetensors_header(std::span<const std::byte> bytes, int64_t file_size,
                                     const std::string& name);

}  // namespace octavo
