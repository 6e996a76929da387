// NumPy's .npy files of float32, C order: the goldens, and what `eval` writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace octavo::test {

struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<float> values;

  int64_t rows() const { return shape.empty() ? 1 : shape.front(); }
  int64_t cols() const { return static_cast<int64_t>(values.size()) / rows(); }
  std::span<const float> row(int64_t r) const {
    return std::span(values).subspan(static_cast<size_t>(r * cols()), static_cast<size_t>(cols()));
  }
};

/// Throws std::runtime_error for anything but little-endian float32 in C order.
NpyArray read_npy(const std::filesystem::path& path);
void write_npy(const std::filesystem::path& path, const NpyArray& array);

}  // namespace octavo::test
