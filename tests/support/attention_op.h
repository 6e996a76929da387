// Attention with its cache against double precision: the fixture of the suites that attend.
#pragma once

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

struct AttentionCase {
  ReferenceAttention shape;
  KvType type = KvType::kF32;
  std::vector<int64_t> chunks;
  int64_t layers = 1;
  double theta = 1e4;
};

// Largest relative error of a number in the cache.
inline double cache_error(KvType type) {
  return type == KvType::kF32 ? 0 : type == KvType::kF16 ? 0x1p-11 : 0x1p-8;
}

// Typical error of a result beside its size: rounding of the angles; a cached number now and then
// rounds the other way. With q8_0, a query's 8 bits too: 1 / 254 of the largest of 32 at most, 1 /
// 500 of a number's size on the average.
inline double typical_error(KvType type, int64_t positions) {
  const double angles = 1e-6 + static_cast<double>(positions) * 0x1p-23;
  return angles + (type == KvType::kF32 ? 0 : type == KvType::kQ8_0 ? 0.02 : 3e-4);
}

// The numbers of a q8_0 cache: blocks of 32 of each head.
inline Matrix narrowed_q8(Matrix values, int64_t head_dim) {
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

inline Matrix narrowed(Matrix values, KvType type, int64_t head_dim) {
  if (type == KvType::kF32) return values;
  if (type == KvType::kQ8_0) return narrowed_q8(std::move(values), head_dim);
  return values.unaryExpr([type](double value) -> double {
    const auto single = static_cast<float>(value);
    return type == KvType::kF16 ? f16_to_f32(f32_to_f16(single)) : bf16_to_f32(f32_to_bf16(single));
  });
}

inline std::string describe(const AttentionCase& c, int64_t position, int64_t rows) {
  const ReferenceAttention& s = c.shape;
  return std::to_string(s.heads) + " heads, " + std::to_string(s.kv_heads) + " kv heads of " +
         std::to_string(s.head_dim) + ", window " + std::to_string(s.window) + ", type " +
         std::to_string(static_cast<int>(c.type)) + ", position " + std::to_string(position) +
         ", rows " + std::to_string(rows);
}

// The keys and values of one layer as the reference keeps them: all, in double.
class AttentionHistory {
 public:
  AttentionHistory(const ReferenceAttention& shape, double theta) : shape_(shape), theta_(theta) {}

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
  // What tensor cores add, which take queries and weights of more than a few rows as f16; the CPU
  // takes them in two parts.
  static double device_error(KvType type, int64_t rows) {
    constexpr int64_t kFew = 8;
    return GetParam() == "cpu" || type == KvType::kF32 || rows <= kFew ? 0 : 0x1p-12;
  }

  // Feeds the case's chunks one after the other and compares each with the reference.
  void run(const AttentionCase& c, Random& random, bool only_last = false) {
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c);
    std::vector<AttentionHistory> layers(static_cast<size_t>(c.layers),
                                         AttentionHistory(c.shape, c.theta));
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
  Matrix feed(const AttentionCase& c, uint64_t seed) {
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

  static KvCachePtr make_cache(Backend& backend, const AttentionCase& c) {
    KvShape shape;
    shape.layers = c.layers;
    shape.kv_heads = c.shape.kv_heads;
    shape.head_dim = c.shape.head_dim;
    shape.context = kMostContext;
    shape.window = c.shape.window;
    shape.type = c.type;
    return backend.kv_cache(shape);
  }

  static void step(Backend& backend, const AttentionCase& c, KvCache& cache, int64_t layer,
                   AttentionHistory& history, int64_t position, int64_t rows, bool compare,
                   Random& random) {
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
              typical_error(c.type, position + rows) + device_error(c.type, rows))
        << describe(c, position, rows);
  }
};

}  // namespace octavo::test
