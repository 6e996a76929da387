// Op conformance: attention with its cache, for every backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quant/float16.h"
#include "support/backend_fixture.h"
#include "support/compare.h"
#include "support/random.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

struct Case {
  ReferenceAttention shape;
  KvType type = KvType::kF32;
  std::vector<int64_t> chunks;
  int64_t layers = 1;
  double theta = 1e4;
};

// Largest relative error of a number in the cache.
double cache_error(KvType type) {
  return type == KvType::kF32 ? 0 : type == KvType::kF16 ? 0x1p-11 : 0x1p-8;
}

// Typical error of a result beside its size: rounding of the angles; a cached number now and then
// rounds the other way. With q8_0, a query's 8 bits too: 1 / 254 of the largest of 32 at most, 1 /
// 500 of a number's size on the average.
double typical_error(KvType type, int64_t positions) {
  const double angles = 1e-6 + static_cast<double>(positions) * 0x1p-23;
  return angles + (type == KvType::kF32 ? 0 : type == KvType::kQ8_0 ? 0.02 : 3e-4);
}

// The numbers of a q8_0 cache: blocks of 32 of each head.
Matrix narrowed_q8(Matrix values, int64_t head_dim) {
  for (Eigen::Index r = 0; r < values.rows(); ++r) {
    for (Eigen::Index h = 0; h < values.cols(); h += head_dim) {
      for (int64_t i = 0; i < head_dim; i += 32) {
        auto block = values.block(r, h + i, 1, std::min<int64_t>(32, head_dim - i));
        const auto largest = static_cast<float>(block.cwiseAbs().maxCoeff());
        const double scale = f16_to_f32(f32_to_f16(largest / 127.0f));
        block = block.unaryExpr([scale](double x) { return std::nearbyint(x / scale) * scale; });
      }
    }
  }
  return values;
}

Matrix narrowed(Matrix values, KvType type, int64_t head_dim) {
  if (type == KvType::kF32) return values;
  if (type == KvType::kQ8_0) return narrowed_q8(std::move(values), head_dim);
  return values.unaryExpr([type](double value) -> double {
    const auto single = static_cast<float>(value);
    return type == KvType::kF16 ? f16_to_f32(f32_to_f16(single)) : bf16_to_f32(f32_to_bf16(single));
  });
}

std::string describe(const Case& c, int64_t position, int64_t rows) {
  const ReferenceAttention& s = c.shape;
  return std::to_string(s.heads) + " heads, " + std::to_string(s.kv_heads) + " kv heads of " +
         std::to_string(s.head_dim) + ", window " + std::to_string(s.window) + ", type " +
         std::to_string(static_cast<int>(c.type)) + ", position " + std::to_string(position) +
         ", rows " + std::to_string(rows);
}

// The keys and values of one layer as the reference keeps them: all, in double.
class History {
 public:
  History(const ReferenceAttention& shape, double theta) : shape_(shape), theta_(theta) {}

  // Replaces everything from `position` on.
  void append(const Matrix& k, const Matrix& v, int64_t position, KvType type) {
    Matrix rotated = k;
    reference_rope(rotated, shape_.head_dim, theta_, position);
    put(keys_, narrowed(rotated, type, shape_.head_dim), position);
    put(values_, narrowed(v, type, shape_.head_dim), position);
  }
  Matrix attend(Matrix q, int64_t position) const {
    reference_rope(q, shape_.head_dim, theta_, position);
    return reference_attention(q, keys_, values_, shape_, position);
  }
  // Bound of every value of attend(): scores are wrong by rounding of the cache and of the angles,
  // and their errors are relative errors of the weights.
  Matrix bound(const Matrix& q, int64_t position, KvType type) const {
    const int64_t size = shape_.head_dim;
    double largest_q = 0, largest_k = 0;
    for (Eigen::Index c = 0; c < q.cols(); c += size) {
      largest_q = std::max(largest_q, q.middleCols(c, size).rowwise().norm().maxCoeff());
    }
    for (Eigen::Index c = 0; c < keys_.cols(); c += size) {
      largest_k = std::max(largest_k, keys_.middleCols(c, size).rowwise().norm().maxCoeff());
    }
    const double angle = 2 * static_cast<double>(position + q.rows()) * 0x1p-24;
    // With q8_0 also the query is rounded: half a unit of each of 32 numbers.
    const double query = type == KvType::kQ8_0 ? std::sqrt(32.0) / 254 : 0;
    const double score = largest_q * largest_k / std::sqrt(static_cast<double>(size)) *
                         (2 * cache_error(type) + query + angle + sum_error(size));
    const double relative =
        std::expm1(2 * score) + 2 * cache_error(type) + 1e-6 + sum_error(keys_.rows());
    return Matrix::Constant(q.rows(), q.cols(), relative * values_.cwiseAbs().maxCoeff());
  }

 private:
  static void put(Matrix& all, const Matrix& rows, int64_t position) {
    all.conservativeResize(position + rows.rows(), rows.cols());
    all.bottomRows(rows.rows()) = rows;
  }
  ReferenceAttention shape_;
  double theta_;
  Matrix keys_, values_;
};

class AttentionOp : public BackendTest {
 protected:
  // What tensor cores add, which take queries and weights as f16; the CPU takes them in two parts.
  static double device_error(KvType type) {
    return GetParam() == "cpu" || type == KvType::kF32 ? 0 : 0x1p-12;
  }

  // Feeds the case's chunks one after the other and compares each with the reference.
  void run(const Case& c, Random& random, bool only_last = false) {
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c);
    std::vector<History> layers(static_cast<size_t>(c.layers), History(c.shape, c.theta));
    int64_t position = 0;
    for (size_t i = 0; i < c.chunks.size(); ++i) {
      for (int64_t layer = 0; layer < c.layers; ++layer) {
        // The last steps, whose rows are few.
        step(*backend, c, *cache, layer, layers[static_cast<size_t>(layer)], position, c.chunks[i],
             !only_last || i + 7 >= c.chunks.size(), random);
      }
      position += c.chunks[i];
    }
  }

  // All rows' results [sum of chunks, heads * head_dim], of the same numbers however they are cut.
  Matrix feed(const Case& c, uint64_t seed) {
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c);
    const int64_t total = std::accumulate(c.chunks.begin(), c.chunks.end(), int64_t{0});
    const int64_t q_cols = c.shape.heads * c.shape.head_dim;
    const int64_t kv_cols = c.shape.kv_heads * c.shape.head_dim;
    Random random(seed);
    const std::vector<float> q = random.normals(total * q_cols),
                             k = random.normals(total * kv_cols),
                             v = random.normals(total * kv_cols);
    AttentionShape shape;
    shape.heads = c.shape.heads;
    shape.rope_theta = c.theta;
    Matrix results(total, q_cols);
    int64_t position = 0;
    for (const int64_t rows : c.chunks) {
      const auto part = [&](const std::vector<float>& all, int64_t cols) {
        return upload(*backend,
                      std::span(all).subspan(static_cast<size_t>(position * cols),
                                             static_cast<size_t>(rows * cols)),
                      cols);
      };
      const ActivationPtr dq = part(q, q_cols), dk = part(k, kv_cols), dv = part(v, kv_cols),
                          out = backend->activation(kMostRows, q_cols);
      backend->attention(*dq, *dk, *dv, rows, shape, *cache, 0, position, *out);
      results.middleRows(position, rows) = download_matrix(*backend, *out, rows);
      position += rows;
    }
    return results;
  }

  static KvCachePtr make_cache(Backend& backend, const Case& c) {
    KvShape shape;
    shape.layers = c.layers;
    shape.kv_heads = c.shape.kv_heads;
    shape.head_dim = c.shape.head_dim;
    shape.context = kMostContext;
    shape.window = c.shape.window;
    shape.type = c.type;
    return backend.kv_cache(shape);
  }

  static void step(Backend& backend, const Case& c, KvCache& cache, int64_t layer, History& history,
                   int64_t position, int64_t rows, bool compare, Random& random) {
    const int64_t q_cols = c.shape.heads * c.shape.head_dim;
    const int64_t kv_cols = c.shape.kv_heads * c.shape.head_dim;
    const std::vector<float> q = random.normals(rows * q_cols), k = random.normals(rows * kv_cols),
                             v = random.normals(rows * kv_cols);
    const ActivationPtr dq = upload(backend, q, q_cols), dk = upload(backend, k, kv_cols),
                        dv = upload(backend, v, kv_cols),
                        out = backend.activation(kMostRows, q_cols);
    AttentionShape shape;
    shape.heads = c.shape.heads;
    shape.rope_theta = c.theta;
    backend.attention(*dq, *dk, *dv, rows, shape, cache, layer, position, *out);

    history.append(to_matrix(k, rows, kv_cols), to_matrix(v, rows, kv_cols), position, c.type);
    if (!compare) return;
    const Matrix input = to_matrix(q, rows, q_cols);
    const Matrix expected = history.attend(input, position);
    const Matrix actual = download_matrix(backend, *out, rows);
    ASSERT_TRUE(within(actual, expected, history.bound(input, position, c.type)))
        << describe(c, position, rows);
    ASSERT_LT(relative_rms(actual, expected),
              typical_error(c.type, position + rows) + device_error(c.type))
        << describe(c, position, rows);
  }
};
OCTAVO_FOR_ALL_BACKENDS(AttentionOp);

const std::vector<std::vector<int64_t>> kChunkings = {
    {40}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {7, 1, 8, 3, 1, 9, 2}, {1, 40, 1, 40}};

TEST_P(AttentionOp, EveryGroupingOfHeads) {
  Random random(1);
  for (const auto& [heads, kv_heads] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {4, 2}, {8, 1}, {6, 3}, {5, 5}, {7, 1}, {8, 2}, {32, 8}}) {
    for (const int64_t head_dim : {2, 6, 16, 32, 80, 128}) {
      if (heads * head_dim > kMostCols) continue;
      const ReferenceAttention shape{heads, kv_heads, head_dim, 0};
      run({shape, KvType::kF32, kChunkings[static_cast<size_t>(random.below(4))]}, random);
    }
  }
}

TEST_P(AttentionOp, EveryCacheFormat) {
  Random random(2);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    for (const auto& chunks : kChunkings) {
      run({{4, 2, 16, 0}, type, chunks}, random);
      run({{8, 2, 32, 5}, type, chunks}, random);
    }
  }
}

// A prompt in blocks, in uneven pieces and token by token: rounding apart, the same results.
TEST_P(AttentionOp, PromptsInPiecesAndWhole) {
  Random random(8);
  const std::vector<std::vector<int64_t>> prompts = {
      {64, 46}, {1, 33, 5, 64, 7}, std::vector<int64_t>(110, 1)};
  for (const int64_t group : {1, 2, 4, 7}) {
    for (const int64_t head_dim : {8, 20, 64, 128}) {
      for (const int64_t window : {0, 70}) {
        if (is_emulated() && (group != 4 || head_dim % 64 == 8 || head_dim == 128)) continue;
        const ReferenceAttention shape{group, 1, head_dim, window};
        const KvType type = head_dim == 64 ? KvType::kF16 : KvType::kF32;
        run({shape, type, prompts[1]}, random);
        const Matrix whole = feed({shape, type, prompts[0]}, 9);
        for (const auto& chunks : prompts) {
          const Case c{shape, type, chunks};
          // A few rows of an f16 cache meet whole queries, many rows the sum of two bf16 parts or
          // 16-bit integers: less than the rounding of the cache moves them.
          const double limit = (type == KvType::kF16 ? 0x1p-13 : 1e-6) + device_error(type);
          ASSERT_LT(relative_rms(feed(c, 9), whole), limit) << describe(c, 0, chunks.front());
        }
      }
    }
  }
}

// Windows shorter than, as long as, and longer than what is fed at once; the ring is used several
// times over.
TEST_P(AttentionOp, SlidingWindows) {
  Random random(3);
  for (const int64_t window : {1, 2, 3, 8, 17, 40, 64, 100}) {
    for (const auto& chunks : kChunkings) run({{4, 2, 16, window}, KvType::kF32, chunks}, random);
    std::vector<int64_t> many(60, 1);
    for (size_t i = 0; i < many.size(); i += 3) many[i] = 1 + random.below(kMostRows);
    run({{2, 1, 8, window}, KvType::kF32, many}, random);
  }
}

TEST_P(AttentionOp, LayersDoNotMix) {
  Random random(4);
  for (const int64_t window : {0, 4}) {
    run({{4, 2, 16, window}, KvType::kF16, {5, 1, 9, 1, 1}, 3}, random);
  }
}

TEST_P(AttentionOp, FarPositions) {
  Random random(5);
  const std::vector<int64_t> chunks(is_emulated() ? 5 : kMostContext / kMostRows, kMostRows);
  for (const int64_t window : {0, 50, 1000}) {
    Case c{{2, 1, 16, window}, KvType::kF32, chunks};
    run(c, random, true);
    c.theta = 1e6;
    c.chunks.assign(is_emulated() ? 5 : 40, 61);
    c.chunks.push_back(1);
    run(c, random, true);
  }
}

// Few rows take the sequence in parts, at borders that windows and chunks do not know.
TEST_P(AttentionOp, PartsOfTheSequence) {
  Random random(11);
  std::vector<int64_t> chunks(is_emulated() ? 12 : kMostContext / kMostRows - 30, kMostRows);
  for (const int64_t few : {1, 3, 7, 1, 2, 5, 1}) chunks.push_back(few);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    if (is_emulated() && type != KvType::kF16) continue;
    for (const auto& [heads, window] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 0}, {2, 0}, {8, 0}, {2, 700}, {8, 1200}}) {
      run({{heads, heads == 2 ? 2 : 1, 16, window}, type, chunks}, random, true);
    }
  }
}

// The passes of speculative decoding: each row has the bits that it has alone, and what was taken
// back leaves no trace.
TEST_P(AttentionOp, RowsOfAShortPassGetTheBitsThatTheyGetAlone) {
  const int64_t most = make_backend()->independent_rows();
  if (most < 2) GTEST_SKIP() << "skipped: rows alone only";
  std::vector<int64_t> past(33, kMostRows - 1);  // parts of 512 positions end at odd places
  std::vector<int64_t> alone = past, together = past;
  for (int64_t rows = 2; rows <= most; ++rows) {
    together.push_back(rows);
    alone.insert(alone.end(), static_cast<size_t>(rows), 1);
  }
  int64_t turn = 0;  // a window for each pair of type and heads, all four for each of either
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    ++turn;
    for (const auto& [heads, kv_heads] :
         std::vector<std::pair<int64_t, int64_t>>{{2, 2}, {8, 2}, {6, 2}, {24, 1}}) {
      ++turn;
      for (const int64_t window : {0, 5, 600, 2100}) {
        if (turn++ % 4 != 0) continue;
        const Case c{{heads, kv_heads, 16, window}, type, alone};
        Case other = c;
        other.chunks = together;
        ASSERT_EQ(feed(other, 12), feed(c, 12)) << describe(c, 0, most);
      }
    }
  }
}

TEST_P(AttentionOp, PartsBeginAnywhereInAShortPass) {
  const int64_t most = make_backend()->independent_rows();
  if (most < 2) GTEST_SKIP() << "skipped: rows alone only";
  for (int64_t begin = 512 - most; begin <= 512 + 1; ++begin) {
    std::vector<int64_t> past(static_cast<size_t>(begin / 50), 50);
    past.push_back(begin % 50);
    std::vector<int64_t> together = past, alone = past;
    together.push_back(most);
    alone.insert(alone.end(), static_cast<size_t>(most), 1);
    for (const int64_t window : {0, 300, 505}) {
      const Case c{{8, 2, 32, window}, KvType::kF16, alone};
      Case other = c;
      other.chunks = together;
      ASSERT_EQ(feed(other, 13), feed(c, 13)) << describe(c, begin, most);
    }
  }
}

// A conversation taken back: positions are written again with other keys.
TEST_P(AttentionOp, PositionsCanBeWrittenAgain) {
  Random random(6);
  const Case c{{4, 2, 16, 0}, KvType::kF32, {}};
  const auto backend = make_backend();
  const KvCachePtr cache = make_cache(*backend, c);
  History history(c.shape, c.theta);
  for (const auto& [position, rows] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 30}, {30, 5}, {12, 7}, {19, 1}, {0, 9}}) {
    step(*backend, c, *cache, 0, history, position, rows, true, random);
  }
}

TEST_P(AttentionOp, CacheSaysWhatItHolds) {
  Random random(7);
  const int64_t written = is_emulated() ? 150 : 1000;
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    const Case c{{4, 2, 16, 0}, type, {}, 2};
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c);
    EXPECT_EQ(cache->shape().head_dim, 16);
    EXPECT_EQ(cache->shape().context, kMostContext);
    std::vector<History> layers(2, History(c.shape, c.theta));
    for (int64_t position = 0; position < written; position += 50) {
      for (int64_t layer = 0; layer < 2; ++layer) {
        step(*backend, c, *cache, layer, layers[static_cast<size_t>(layer)], position, 50, false,
             random);
      }
    }
    const int64_t entry = 2 * 2 * 16 * (type == KvType::kF32 ? 4 : 2);  // key and value, 2 kv heads
    EXPECT_GE(cache->bytes(), 2 * written * entry);
    EXPECT_LE(cache->bytes(), 2 * kMostContext * entry);
  }
}

// What a session file keeps of a cache.
TEST_P(AttentionOp, EntriesCanBeReadAndWrittenBack) {
  Random random(8);
  for (const auto& [window, type] : std::vector<std::pair<int64_t, KvType>>{
           {0, KvType::kF16}, {20, KvType::kF16}, {0, KvType::kQ8_0}, {20, KvType::kQ8_0}}) {
    const Case c{{4, 2, 16, window}, type, {}, 2};
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c), copy = make_cache(*backend, c);
    std::vector<History> layers(2, History(c.shape, c.theta));
    const int64_t first = window > 0 ? 150 - window : 0, count = 150 - first;
    for (int64_t layer = 0; layer < 2; ++layer) {
      for (int64_t position = 0; position < 150; position += 50) {
        step(*backend, c, *cache, layer, layers[static_cast<size_t>(layer)], position, 50, false,
             random);
      }
      std::vector<std::byte> entries(static_cast<size_t>(count * kv_entry_bytes(cache->shape())));
      cache->read(layer, first, count, entries);
      copy->write(layer, first, count, entries);
      std::vector<std::byte> again(entries.size());
      copy->read(layer, first, count, again);
      EXPECT_EQ(entries, again);
    }
    for (int64_t layer = 0; layer < 2; ++layer) {
      step(*backend, c, *copy, layer, layers[static_cast<size_t>(layer)], 150, 3, true, random);
    }
  }
}

TEST_P(AttentionOp, ForksGoTheirOwnWays) {
  Random random(9);
  for (const int64_t window : {0, 20}) {
    const Case c{{4, 2, 16, window}, KvType::kF32, {}};
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c);
    History history(c.shape, c.theta);
    const auto go_on = [&](KvCache& held, History& past, int64_t position, int64_t end) {
      for (; position < end; position += 10) {
        step(*backend, c, held, 0, past, position, 10, true, random);
      }
    };
    go_on(*cache, history, 0, 140);
    KvCachePtr fork = cache->fork();
    History other = history;
    go_on(*cache, history, 140, 150);
    go_on(*fork, other, 140, 230);
    go_on(*cache, history, 150, 250);
    fork.reset();
    go_on(*cache, history, 250, 260);
  }
}

}  // namespace
}  // namespace octavo::test
