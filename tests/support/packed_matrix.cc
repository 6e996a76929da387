#include "support/packed_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/packed.h"
#include "quant/rows.h"
#include "simd/scalar_wide.h"

namespace octavo::test {
namespace {

template <class T>
void store(std::byte* address, const T& value) {
  std::memcpy(address, &value, sizeof value);
}

uint8_t random_byte(Random& random) { return static_cast<uint8_t>(random.below(256)); }

uint16_t random_scale(Random& random, double largest) {
  const double sign = random.below(2) == 0 ? 1 : -1;
  return f32_to_f16(static_cast<float>(sign * random.uniform(0.2, 1) * largest));
}

// BlockQ4_K, BlockQ5_K. Mins of about half the range, so that the values lie on both sides of zero.
template <class Block>
Block random_affine(Random& random, double deviation) {
  constexpr int kQuants = sizeof(Block) == sizeof(BlockQ4_K) ? 16 : 32;
  Block block = {};
  block.d = random_scale(random, deviation * 16 / 160 / kQuants);
  block.dmin = random_scale(random, deviation / 20);
  for (uint8_t& scale : block.scales) scale = random_byte(random);
  for (int k = 0; k < 256; ++k) set_quant(block, k, static_cast<int>(random.below(kQuants)));
  return block;
}

void random_block(Format format, Random& random, double deviation, std::byte* dst) {
  switch (format) {
    case Format::kF32:
      return store(dst, static_cast<float>(deviation) * random.normal());
    case Format::kF16:
      return store(dst, f32_to_f16(static_cast<float>(deviation) * random.normal()));
    case Format::kBF16:
      return store(dst, f32_to_bf16(static_cast<float>(deviation) * random.normal()));
    case Format::kQ8_0: {
      BlockQ8_0 block{random_scale(random, deviation / 60), {}};
      for (int8_t& q : block.qs) q = static_cast<int8_t>(random_byte(random));
      return store(dst, block);
    }
    case Format::kQ4_0: {
      BlockQ4_0 block{random_scale(random, deviation / 4), {}};
      for (uint8_t& q : block.qs) q = random_byte(random);
      return store(dst, block);
    }
    case Format::kQ4_K:
      return store(dst, random_affine<BlockQ4_K>(random, deviation));
    case Format::kQ5_K:
      return store(dst, random_affine<BlockQ5_K>(random, deviation));
    case Format::kQ6_K: {
      BlockQ6_K block = {};
      block.d = random_scale(random, deviation / 1000);
      for (int8_t& scale : block.scales) scale = static_cast<int8_t>(random_byte(random));
      for (int k = 0; k < 256; ++k) set_quant(block, k, static_cast<int>(random.below(64)));
      return store(dst, block);
    }
  }
}

// The same row of q4_k or q5_k with every quant zero: what is left is minus the min of each value.
// Quants follow 16 bytes of scales.
void clear_quants(Format format, std::byte* row, int64_t blocks) {
  const int64_t bytes = traits(format).block_bytes;
  static_assert(offsetof(BlockQ4_K, qs) == 16 && offsetof(BlockQ5_K, qh) == 16);
  for (int64_t b = 0; b < blocks; ++b) {
    std::memset(row + b * bytes + 16, 0, static_cast<size_t>(bytes - 16));
  }
}

}  // namespace

PackedMatrix::PackedMatrix(Format format, int64_t rows, int64_t cols,
                           std::vector<std::byte> row_order)
    : format_(format),
      rows_(rows),
      cols_(cols),
      row_order_(std::move(row_order)),
      lines_(static_cast<size_t>(packed_bytes(format, rows, cols)) / sizeof(Line)) {
  const int64_t stride = row_bytes(format, cols);
  auto* packed = reinterpret_cast<std::byte*>(lines_.data());
  for (int64_t first = 0; first < rows; first += kPanelRows) {
    pack_panel(format, row_order_.data() + first * stride, stride,
               static_cast<int>(std::min<int64_t>(kPanelRows, rows - first)), cols,
               packed + first / kPanelRows * packed_panel_bytes(format, cols));
  }
}

TensorView PackedMatrix::view() const {
  return {format_, Order::kPacked, rows_, cols_, data(), packed_bytes(format_, rows_, cols_)};
}

Matrix PackedMatrix::values() const {
  Matrix matrix(rows_, cols_);
  std::vector<float> row(static_cast<size_t>(cols_));
  for (int64_t r = 0; r < rows_; ++r) {
    dequantize_row(format_, row_order_.data() + r * row_bytes(format_, cols_), row);
    matrix.row(r) = to_matrix(row, 1, cols_);
  }
  return matrix;
}

Matrix PackedMatrix::magnitudes() const {
  Matrix magnitudes = values().cwiseAbs();
  if (format_ != Format::kQ4_K && format_ != Format::kQ5_K) return magnitudes;
  std::vector<float> row(static_cast<size_t>(cols_));
  const int64_t stride = row_bytes(format_, cols_);
  for (int64_t r = 0; r < rows_; ++r) {
    std::vector<std::byte> blocks(row_order_.begin() + r * stride,
                                  row_order_.begin() + (r + 1) * stride);
    clear_quants(format_, blocks.data(), stride / traits(format_).block_bytes);
    dequantize_row(format_, blocks.data(), row);
    magnitudes.row(r) += 2 * to_matrix(row, 1, cols_).cwiseAbs();
  }
  return magnitudes;
}

Matrix PackedMatrix::shift() const {
  Matrix shift = Matrix::Zero(rows_, cols_);
  if (!is_wide(format_)) return shift;
  const Matrix exact = values();
  std::array<int8_t, kWideCols> q;
  for (int64_t r = 0; r < rows_; ++r) {
    for (int64_t group = 0; group < wide_groups(cols_); ++group) {
      const double scale = scalar_wide_weights(format_, data(), cols_, r, group, q);
      const int64_t first = group * kWideCols, last = std::min(cols_, first + kWideCols);
      for (int64_t k = first; k < last; ++k) {
        shift(r, k) = std::abs(scale * q[static_cast<size_t>(k - first)] - exact(r, k));
      }
    }
  }
  return shift;
}

PackedMatrix random_blocks(Format format, int64_t rows, int64_t cols, Random& random,
                           double deviation) {
  const int64_t bytes = traits(format).block_bytes;
  std::vector<std::byte> row_order(static_cast<size_t>(rows * row_bytes(format, cols)));
  for (size_t at = 0; at < row_order.size(); at += static_cast<size_t>(bytes)) {
    random_block(format, random, deviation, row_order.data() + at);
  }
  return {format, rows, cols, std::move(row_order)};
}

PackedMatrix pack_values(Format format, int64_t rows, int64_t cols, std::span<const float> values) {
  const int64_t stride = row_bytes(format, cols);
  std::vector<std::byte> row_order(static_cast<size_t>(rows * stride));
  for (int64_t r = 0; r < rows; ++r) {
    quantize_row_nearest(format,
                         values.subspan(static_cast<size_t>(r * cols), static_cast<size_t>(cols)),
                         row_order.data() + r * stride);
  }
  return {format, rows, cols, std::move(row_order)};
}

TensorView plain_view(std::span<const float> values) {
  return {Format::kF32,
          Order::kPlain,
          1,
          static_cast<int64_t>(values.size()),
          std::as_bytes(values).data(),
          static_cast<int64_t>(values.size_bytes())};
}

}  // namespace octavo::test
