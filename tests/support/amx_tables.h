// Test parameters: the ways to run AMX's table; and products between guards.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "simd/kernels.h"
#include "support/compare.h"
#include "support/packed_matrix.h"
#include "support/trapped_amx.h"

namespace octavo::test {

/// Parameterised by how the tile instructions are done: "emulated" is another instantiation of the
/// kernels, "trapped" runs their machine code on a machine without AMX, "machine" on one with it.
class AmxTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (emulated_amx_kernels() == nullptr) GTEST_SKIP() << "this machine has no AVX-512 VNNI";
    table_ = GetParam() == "emulated"  ? emulated_amx_kernels()
             : GetParam() == "trapped" ? unchecked_amx_kernels()
                                       : find_kernels("amx");
    if (table_ == nullptr) GTEST_SKIP() << "this machine has no AMX";
    if (GetParam() == "trapped" && !trap_amx()) GTEST_SKIP() << "instructions cannot be caught";
  }
  const Kernels& table() const { return *table_; }

 private:
  const Kernels* table_ = nullptr;
};
#define OCTAVO_FOR_AMX_TABLES(suite)                                                          \
  INSTANTIATE_TEST_SUITE_P(Tiles, suite, ::testing::Values("emulated", "trapped", "machine"), \
                           [](const auto& tested) { return tested.param; })

struct ProductShape {
  Format format;
  int64_t out_rows, cols, rows;
};

inline std::string describe(const ProductShape& shape) {
  return std::string(format_name(shape.format)) + " [" + std::to_string(shape.out_rows) + ", " +
         std::to_string(shape.cols) + "], rows " + std::to_string(shape.rows);
}

/// A product's output [rows, out_rows] among values that nobody may write.
class GuardedOutput {
 public:
  explicit GuardedOutput(const ProductShape& shape)
      : shape_(shape),
        stride_(shape.out_rows + kGuardCols),
        y_(static_cast<size_t>((shape.rows + kGuardRows) * stride_), kGuard) {}

  float* data() { return y_.data(); }
  int64_t stride() const { return stride_; }
  float at(int64_t r, int64_t n) const { return y_[static_cast<size_t>(r * stride_ + n)]; }
  Matrix values() const {
    return to_matrix(y_, shape_.rows + kGuardRows, stride_)
        .topLeftCorner(shape_.rows, shape_.out_rows);
  }

  /// Panels [begin, end) of the rows are all that was written.
  void expect_guards(int64_t begin, int64_t end) const {
    const int64_t first = begin * kPanelRows, last = std::min(end * kPanelRows, shape_.out_rows);
    for (int64_t r = 0; r < shape_.rows + kGuardRows; ++r) {
      for (int64_t n = 0; n < stride_; ++n) {
        const bool written = r < shape_.rows && n >= first && n < last;
        ASSERT_TRUE(written || at(r, n) == kGuard)
            << describe(shape_) << ": wrote row " << r << ", column " << n;
      }
    }
  }
  /// Panels [begin, end) are those of `other`, bit by bit.
  void expect_same_bits(const GuardedOutput& other, int64_t begin, int64_t end) const {
    const int64_t first = begin * kPanelRows, last = std::min(end * kPanelRows, shape_.out_rows);
    for (int64_t r = 0; r < shape_.rows; ++r) {
      for (int64_t n = first; n < last; ++n) {
        ASSERT_EQ(std::bit_cast<uint32_t>(at(r, n)), std::bit_cast<uint32_t>(other.at(r, n)))
            << describe(shape_) << ": row " << r << ", column " << n << " is " << at(r, n)
            << " and " << other.at(r, n);
      }
    }
  }

 private:
  static constexpr float kGuard = -12345.5f;
  static constexpr int64_t kGuardCols = 40, kGuardRows = 34;  // more than 2 panels, 2 blocks

  ProductShape shape_;
  int64_t stride_;
  std::vector<float> y_;
};

/// Panels [begin, end) by `matmul`, one of the kernels or twins; guards are looked at.
template <class Matmul, class Rows>
GuardedOutput guarded_product(Matmul matmul, const PackedMatrix& w, const Rows& x,
                              const ProductShape& shape, int64_t begin, int64_t end) {
  GuardedOutput out(shape);
  matmul(w.format(), w.data(), w.rows(), w.cols(), begin, end, x, shape.rows, out.data(),
         out.stride());
  out.expect_guards(begin, end);
  return out;
}

}  // namespace octavo::test
