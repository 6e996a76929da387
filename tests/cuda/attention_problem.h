// A cache on the emulated card and a sequence in it: for the tests of attention's kernels.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/memory.h"
#include "cuda_emulation/block.h"
#include "quant/float16.h"
#include "simd/kernels.h"
#include "simd/kv_block.h"
#include "support/random.h"

namespace octavo::test {

using cuda::KvView;

inline constexpr double kTheta = 1e4;

/// Calls what launches kernels, and waits for them.
template <class Launcher, class... Args>
void run(const Launcher& launcher, const Args&... args) {
  const cuda::OwnedStream stream;
  launcher(args..., stream.get());
  stream.wait();
}

inline CacheFormat cache_format(KvType type) {
  return type == KvType::kF32    ? CacheFormat::kF32
         : type == KvType::kF16  ? CacheFormat::kF16
         : type == KvType::kBF16 ? CacheFormat::kBF16
                                 : CacheFormat::kQ8_0;
}

/// The pages of a cache of one layer behind `layer_offset` bytes, as the device has them.
class Pages {
 public:
  Pages(KvType type, int kv_heads, int head_dim, int window, int pages, int layers = 1)
      : row_(cuda::kv_row(head_dim)) {
    const int64_t layer = cuda::kv_layer_bytes(type, row_, kv_heads);
    for (int i = 0; i < pages; ++i) {
      memory_.emplace_back(static_cast<size_t>(layers * layer));
      table_.push_back(memory_.back().data());
    }
    view_ = {table_.data(), 0,     cuda::kv_side_bytes(type, row_), type, pages, kv_heads, head_dim,
             row_,          window};
  }
  KvView view(int layer = 0) const {
    KvView view = view_;
    view.layer_offset = layer * layer_bytes();
    return view;
  }
  int64_t layer_bytes() const { return cuda::kv_layer_bytes(view_.type, row_, view_.kv_heads); }

  /// One number, found without the kernels' own functions. side 0: key, 1: value.
  double at(int head, int side, int64_t position, int d, int layer = 0) const {
    const auto& page = memory_[static_cast<size_t>(position / 64 % view_.page_count)];
    const std::byte* from =
        page.data() + layer * layer_bytes() + (2 * head + side) * view_.side_bytes;
    const int64_t slot = position % 64, index = slot * row_ + d;
    if (view_.type == KvType::kF32) return read<float>(from + 4 * index);
    if (view_.type == KvType::kQ8_0) {
      const auto scale = read<uint16_t>(from + 64 * row_ + 2 * (slot * (row_ / 32) + d / 32));
      return double{f16_to_f32(scale)} * read<int8_t>(from + index);
    }
    const auto bits = read<uint16_t>(from + 2 * index);
    return view_.type == KvType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
  }

 private:
  template <class T>
  static T read(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  int row_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::byte*> table_;
  KvView view_;
};

inline std::vector<float> frequencies(int head_dim) {
  std::vector<float> result(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<float>(
        std::pow(kTheta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
  }
  return result;
}

struct Shape {
  KvType type = KvType::kF16;
  int heads = 4, kv_heads = 2, head_dim = 32, window = 0;
};
inline std::string describe(const Shape& s, int position, int rows) {
  return "type " + std::to_string(static_cast<int>(s.type)) + ", " + std::to_string(s.heads) +
         " heads, " + std::to_string(s.kv_heads) + " kv heads of " + std::to_string(s.head_dim) +
         ", window " + std::to_string(s.window) + ", position " + std::to_string(position) + ", " +
         std::to_string(rows) + " rows";
}

/// A sequence whose tokens are appended in chunks; the last chunk's queries stay.
class Sequence {
 public:
  Sequence(const Shape& shape, int positions, uint64_t seed)
      : shape_(shape),
        pages_(shape.type, shape.kv_heads, shape.head_dim, shape.window,
               page_count(shape, positions)),
        frequencies_(frequencies(shape.head_dim)),
        random_(seed) {
    // Threads in another order each time: a missing barrier would show.
    static uint64_t order = 0;
    cuda_emulation::set_order(order++);
  }

  void append(int rows) {
    position_ += rows_;
    rows_ = rows;
    q_ = random_.normals(int64_t{rows} * shape_.heads * shape_.head_dim);
    k_ = random_.normals(int64_t{rows} * shape_.kv_heads * shape_.head_dim);
    v_ = random_.normals(int64_t{rows} * shape_.kv_heads * shape_.head_dim);
    plain_q_ = q_;
    out_.assign(q_.size(), 99.0f);
    run(cuda::rope_append, rows_of(), pages_.view());
  }
  /// The position in device memory is two less, to see that `first` counts.
  cuda::AttentionRows rows_of() {
    device_position_ = position_ - 2;
    return {q_.data(),    k_.data(),         v_.data(), out_.data(),        rows_,
            shape_.heads, &device_position_, 2,         frequencies_.data()};
  }
  const Pages& pages() const { return pages_; }
  const std::vector<float>& q() const { return q_; }
  const std::vector<float>& plain_q() const { return plain_q_; }
  const std::vector<float>& k() const { return k_; }
  const std::vector<float>& v() const { return v_; }
  std::vector<float> take_out() { return std::exchange(out_, std::vector<float>(out_.size(), 99)); }
  int position() const { return position_; }

  /// softmax(q K^T / sqrt(head_dim)) V of all rows over the entries that are held, in double.
  std::vector<double> expected() const {
    const int group = shape_.heads / shape_.kv_heads, dim = shape_.head_dim;
    std::vector<double> result(q_.size());
    for (int r = 0; r < rows_; ++r) {
      const int newest = position_ + r;
      const int oldest = shape_.window > 0 ? std::max(0, newest - shape_.window + 1) : 0;
      for (int h = 0; h < shape_.heads; ++h) {
        const size_t at = (static_cast<size_t>(r) * shape_.heads + h) * dim;
        attend(q_.data() + at, h / group, oldest, newest, result.data() + at);
      }
    }
    return result;
  }

 private:
  static int page_count(const Shape& shape, int positions) {
    const int pages = (positions + 63) / 64;
    // As a ring: the window behind the first of a page of new rows.
    return shape.window > 0 ? std::min(pages, (shape.window + 62) / 64 + 1) : pages;
  }
  void attend(const float* q, int head, int oldest, int newest, double* out) const {
    std::vector<double> scores;
    for (int p = oldest; p <= newest; ++p) {
      double score = 0;
      for (int d = 0; d < shape_.head_dim; ++d) score += q[d] * pages_.at(head, 0, p, d);
      scores.push_back(score / std::sqrt(static_cast<double>(shape_.head_dim)));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (double& score : scores) total += score = std::exp(score - largest);
    for (int d = 0; d < shape_.head_dim; ++d) {
      double sum = 0;
      for (int p = oldest; p <= newest; ++p) {
        sum += scores[static_cast<size_t>(p - oldest)] * pages_.at(head, 1, p, d);
      }
      out[d] = sum / total;
    }
  }

  Shape shape_;
  Pages pages_;
  std::vector<float> frequencies_;
  Random random_;
  std::vector<float> q_, plain_q_, k_, v_, out_;
  int position_ = 0, rows_ = 0;
  int32_t device_position_ = 0;
};

/// Numbers are of normal distributions, so sums of weights times values are of size 1 at most.
inline void expect_near(const std::vector<float>& actual, const std::vector<double>& expected,
                        double bound, double typical, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = 0, squares = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(actual[i] - expected[i]);
    ASSERT_TRUE(std::isfinite(error)) << what << ", value " << i;
    worst = std::max(worst, error);
    squares += error * error;
  }
  EXPECT_LE(worst, bound) << what;
  EXPECT_LE(std::sqrt(squares / static_cast<double>(actual.size())), typical) << what;
}

inline constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0};

}  // namespace octavo::test
