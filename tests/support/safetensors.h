// Safetensors files for tests, written and read the simple way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace octavo::test {

struct SafeTensor {
  std::string name;
  std::string dtype;  ///< "F32", "F16", "BF16"
  std::vector<int64_t> shape;
  std::string bytes;
};

void write_safetensors(const std::filesystem::path& path, const std::vector<SafeTensor>& tensors);
/// Tensors by name. Trusts the file.
std::vector<SafeTensor> read_safetensors(const std::filesystem::path& path);

}  // namespace octavo::test
