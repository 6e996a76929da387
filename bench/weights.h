// Weights for benchmarks: packed matrices whose numbers do not matter, made quickly.
#pragma once

#include <cstddef>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bench/report.h"
#include "quant/packed.h"
#include "quant/rows.h"

namespace octavo::bench {

struct Shape {
  int64_t rows, cols;  ///< out, in
  auto operator<=>(const Shape&) const = default;
  std::string name() const { return std::to_string(rows) + "x" + std::to_string(cols); }
};

/// The products of Mixtral 8x7B: w1 and w3, w2, wq and wo, wk and wv, the logits.
inline constexpr Shape kShapes[] = {
    {14336, 4096}, {4096, 14336}, {4096, 4096}, {1024, 4096}, {32000, 4096}};
inline constexpr int64_t kRowCounts[] = {1, 4, 32, 128, 512};

inline std::vector<float> random_values(int64_t count) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

/// `copies` packed matrices, one after the other. All panels are alike: speed does not depend on
/// the numbers.
inline std::vector<std::byte> packed_weights(Format format, Shape shape, int64_t copies) {
  const std::vector<float> values = random_values(kPanelRows * shape.cols);
  const int64_t stride = row_bytes(format, shape.cols);
  std::vector<std::byte> rows(static_cast<size_t>(kPanelRows * stride));
  for (int64_t row = 0; row < kPanelRows; ++row) {
    quantize_row_nearest(format, std::span(values).subspan(row * shape.cols, shape.cols),
                         rows.data() + row * stride);
  }
  const int64_t panel_bytes = packed_panel_bytes(format, shape.cols);
  const int64_t panels = packed_panels(shape.rows) * copies;
  std::vector<std::byte> packed(static_cast<size_t>(panels * panel_bytes));
  pack_panel(format, rows.data(), stride, kPanelRows, shape.cols, packed.data());
  for (int64_t panel = 1; panel < panels; ++panel) {
    std::memcpy(packed.data() + panel * panel_bytes, packed.data(), panel_bytes);
  }
  return packed;
}

/// So many copies of `bytes` that the first has left the caches when the last was read.
inline int64_t cold_copies(int64_t bytes) { return std::max<int64_t>(1, kColdBytes / bytes); }

/// Cold copies of one packed matrix.
class ColdWeights {
 public:
  /// Those of the last call when they are the same, so that only one set is ever in memory.
  static const ColdWeights& get(Format format, Shape shape) {
    static ColdWeights last;
    if (last.format_ != format || last.shape_ != shape) {
      last.data_ = {};
      last = ColdWeights(format, shape);
    }
    return last;
  }
  int64_t bytes() const { return bytes_; }
  /// The copy for an iteration.
  const std::byte* copy(int64_t iteration) const {
    return data_.data() + iteration % copies_ * bytes_;
  }

 private:
  ColdWeights() = default;
  ColdWeights(Format format, Shape shape)
      : format_(format),
        shape_(shape),
        bytes_(packed_bytes(format, shape.rows, shape.cols)),
        copies_(cold_copies(bytes_)),
        data_(packed_weights(format, shape, copies_)) {}

  Format format_ = Format::kF32;
  Shape shape_ = {0, 0};
  int64_t bytes_ = 0, copies_ = 0;
  std::vector<std::byte> data_;  // [copies, packed matrix]
};

}  // namespace octavo::bench
