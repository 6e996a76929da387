// Attention's kernels under the emulation, each against double precision over the very entries that
// the cache holds, so that only arithmetic is left to differ.
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
namespace {

using cuda::KvView;

constexpr double kTheta = 1e4;

/// Calls what launches kernels, and waits for them.
template <class Launcher, class... Args>
void run(const Launcher& launcher, const Args&... args) {
  const cuda::OwnedStream stream;
  launcher(args..., stream.get());
  stream.wait();
}

CacheFormat cache_format(KvType type) {
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

std::vector<float> frequencies(int head_dim) {
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
std::string describe(const Shape& s, int position, int rows) {
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
void expect_near(const std::vector<float>& actual, const std::vector<double>& expected,
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

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0};

TEST(RopeAppend, RotatesQueriesAndKeepsEntriesAsTheCpuDoes) {
  for (const KvType type : kTypes) {
    for (const int head_dim : {2, 16, 44, 128}) {
      const Shape shape = {type, 3, 3, head_dim, 0};
      Sequence sequence(shape, 100, 1);
      sequence.append(61);
      sequence.append(7);  // over the end of a page
      const std::vector<float> frequency = frequencies(head_dim);
      const int64_t entry = cache_entry_bytes(cache_format(type), head_dim), half = head_dim / 2;
      std::vector<std::byte> kept(static_cast<size_t>(entry));
      std::vector<float> row(static_cast<size_t>(head_dim)), cosine(static_cast<size_t>(half)),
          sine(static_cast<size_t>(half));
      for (int r = 0; r < 7; ++r) {
        const int position = sequence.position() + r;
        for (int64_t i = 0; i < half; ++i) {
          const double angle = static_cast<float>(position) * frequency[static_cast<size_t>(i)];
          cosine[static_cast<size_t>(i)] = static_cast<float>(std::cos(angle));
          sine[static_cast<size_t>(i)] = static_cast<float>(std::sin(angle));
        }
        for (int h = 0; h < 3; ++h) {
          const size_t at = (static_cast<size_t>(r) * 3 + h) * head_dim;
          for (int side = 0; side < 3; ++side) {  // query, key, value
            const auto& from = side == 0   ? sequence.plain_q()
                               : side == 1 ? sequence.k()
                                           : sequence.v();
            std::copy_n(from.begin() + static_cast<long>(at), head_dim, row.begin());
            if (side < 2) scalar_kernels().rope(row.data(), cosine.data(), sine.data(), half);
            if (side == 0) {
              for (int d = 0; d < head_dim; ++d) {
                EXPECT_NEAR(sequence.q()[at + d], row[static_cast<size_t>(d)], 4e-7 * 8);
              }
              continue;
            }
            scalar_kernels().to_cache(cache_format(type), row.data(), kept.data(), head_dim);
            entry_to_floats(cache_format(type), kept.data(), row);
            const float largest =
                std::abs(*std::max_element(row.begin(), row.end(), [](float a, float b) {
                  return std::abs(a) < std::abs(b);
                }));
            for (int d = 0; d < head_dim; ++d) {
              const double expected = row[static_cast<size_t>(d)];
              const double unit = type == KvType::kF32    ? 4e-7 * 8
                                  : type == KvType::kF16  ? std::abs(expected) * 0x1p-10 + 1e-7
                                  : type == KvType::kBF16 ? std::abs(expected) * 0x1p-7
                                                          : largest / 127 * 1.01;
              // Values are not rotated: there the numbers are the same.
              EXPECT_NEAR(sequence.pages().at(h, side - 1, position, d), expected,
                          side == 2 ? 0 : unit)
                  << describe(shape, position, r);
            }
          }
        }
      }
    }
  }
}

TEST(AttendPlain, IsSoftmaxOverTheKeysThatARowSees) {
  for (const KvType type : kTypes) {
    for (const Shape& shape :
         {Shape{type, 4, 2, 16, 0}, Shape{type, 3, 1, 44, 9}, Shape{type, 2, 2, 300, 70}}) {
      Sequence sequence(shape, 200, 2);
      for (const int rows : {1, 70, 3, 60}) {
        sequence.append(shape.window > 0 ? std::min(rows, 64) : rows);
        run(cuda::attend_plain, sequence.rows_of(), sequence.pages().view());
        expect_near(sequence.take_out(), sequence.expected(), 2e-6, 1e-7,
                    describe(shape, sequence.position(), rows));
      }
    }
  }
}

std::vector<float> attend_few(Sequence& sequence, const Shape& shape, int rows, int spare) {
  const int parts = cuda::attend_parts(sequence.position() + rows, shape.window) + spare;
  std::vector<float> scratch(static_cast<size_t>(cuda::attend_scratch(
                                 rows, shape.heads, cuda::kv_row(shape.head_dim), parts)),
                             NAN);
  run(cuda::attend_few, sequence.rows_of(), sequence.pages().view(), parts, scratch.data());
  return sequence.take_out();
}

TEST(AttendFew, IsSoftmaxOverTheKeysThatARowSees) {
  for (const KvType type : kTypes) {
    for (const Shape& shape :
         {Shape{type, 4, 2, 16, 0}, Shape{type, 7, 1, 44, 9}, Shape{type, 8, 2, 128, 0},
          Shape{type, 2, 2, 256, 130}, Shape{type, 10, 2, 80, 300}}) {
      Sequence sequence(shape, 700, 3);
      for (const int rows : {1, 2, 60, 64, 1, 8, 64, 64, 64, 64, 3}) {
        sequence.append(rows);
        if (rows > 8) continue;
        expect_near(attend_few(sequence, shape, rows, rows % 2), sequence.expected(), 2e-6, 1e-7,
                    describe(shape, sequence.position(), rows));
      }
    }
  }
}

TEST(AttendFew, ARowGivesTheSameBitsInAnyCompany) {
  for (const int window : {0, 100}) {
    const Shape shape = {KvType::kF16, 4, 2, 64, window};
    Sequence together(shape, 400, 4);
    for (const int rows : {64, 64, 64, 60, 5}) together.append(rows);
    const std::vector<float> all = attend_few(together, shape, 5, 0);
    cuda::AttentionRows one = together.rows_of();
    const size_t width = size_t{4} * 64;
    for (int r = 0; r < 5; ++r) {
      std::vector<float> q(together.q().begin() + static_cast<long>(r * width),
                           together.q().begin() + static_cast<long>((r + 1) * width));
      std::vector<float> out(width), scratch(4 * 8 * 66);
      cuda::AttentionRows row = one;
      row.q = q.data(), row.out = out.data(), row.rows = 1, row.first = one.first + r;
      const int parts = cuda::attend_parts(together.position() + r + 1, window);
      ASSERT_LE(parts, 8);
      run(cuda::attend_few, row, together.pages().view(), parts, scratch.data());
      EXPECT_EQ(std::memcmp(out.data(), all.data() + r * width, width * 4), 0) << "row " << r;
    }
  }
}

TEST(AttendTiles, IsSoftmaxOverTheKeysThatARowSees) {
  for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    for (const Shape& shape :
         {Shape{type, 4, 2, 16, 0}, Shape{type, 7, 1, 44, 9}, Shape{type, 8, 2, 128, 0},
          Shape{type, 3, 1, 64, 70}, Shape{type, 2, 2, 96, 64}}) {
      Sequence sequence(shape, 400, 5);
      ASSERT_TRUE(cuda::attends_in_tiles(sequence.pages().view()));
      for (const int rows : {5, 64, 1, 17, 61}) {
        sequence.append(rows);
        run(cuda::attend_tiles, sequence.rows_of(), sequence.pages().view());
        // Queries and weights are rounded to f16: scores of size 3 to 6 by half a unit of their
        // largest products, weights by half a unit each.
        const double unit = 0x1p-12;
        expect_near(sequence.take_out(), sequence.expected(), 7 * unit, 1.1 * unit,
                    describe(shape, sequence.position(), rows));
      }
    }
  }
}

TEST(AttendTiles, LeavesExactCachesAndWideHeadsToOthers) {
  EXPECT_FALSE(cuda::attends_in_tiles(Pages(KvType::kF32, 1, 64, 0, 1).view()));
  EXPECT_FALSE(cuda::attends_in_tiles(Pages(KvType::kF16, 1, 130, 0, 1).view()));
}

TEST(ShiftKeys, MovesEntriesAndRotatesKeysBack) {
  for (const KvType type : kTypes) {
    const int head_dim = 44, kv_heads = 2, layers = 2, by = 37;
    Pages pages(type, kv_heads, head_dim, 0, 4, layers),
        wanted(type, kv_heads, head_dim, 0, 4, layers);
    const std::vector<float> frequency = frequencies(head_dim);
    Random random(6);
    std::vector<float> q(static_cast<size_t>(200 * kv_heads * head_dim)), out(q.size());
    const int32_t zero = 0;
    for (int layer = 0; layer < layers; ++layer) {
      const std::vector<float> k = random.normals(200 * kv_heads * head_dim),
                               v = random.normals(200 * kv_heads * head_dim);
      const auto rows = [&](int64_t skipped, int count, int first) {
        return cuda::AttentionRows{
            q.data(), k.data() + skipped, v.data() + skipped, out.data(), count, kv_heads, &zero,
            first,    frequency.data()};
      };
      run(cuda::rope_append, rows(0, 200, 0), pages.view(layer));
      // Tokens 100.. to where they will move to.
      run(cuda::rope_append, rows(int64_t{100} * kv_heads * head_dim, 100, 100 - by),
          wanted.view(layer));
    }
    for (int first = 100; first < 200; first += 50) {
      cuda::ShiftedEntries entries = {layers,           50,     first, by, pages.layer_bytes(),
                                      frequency.data(), nullptr};
      std::vector<std::byte> scratch(
          static_cast<size_t>(cuda::shift_scratch(pages.view(), layers, 50)));
      entries.scratch = scratch.data();
      run(cuda::read_shifted, entries, pages.view());
      run(cuda::write_shifted, entries, pages.view());
    }
    // A key was rounded twice: by one unit of its type each time.
    const double unit = type == KvType::kF32 ? 1e-5 : type == KvType::kF16 ? 0x1p-9 : 0x1p-5;
    for (int layer = 0; layer < layers; ++layer) {
      for (int p = 100 - by; p < 200 - by; ++p) {
        for (int h = 0; h < kv_heads; ++h) {
          for (int d = 0; d < head_dim; ++d) {
            EXPECT_NEAR(pages.at(h, 0, p, d, layer), wanted.at(h, 0, p, d, layer), 3 * unit)
                << static_cast<int>(type) << " position " << p << " dimension " << d;
            EXPECT_EQ(pages.at(h, 1, p, d, layer), wanted.at(h, 1, p, d, layer));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
