// The ops of the backend as values: what is launched, compared with what was launched before, and
// captured. All pointers are device memory.
#pragma once

#include <array>
#include <cstdint>
#include <variant>

#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/experts.h"
#include "backend/cuda/kernels/matmul_few.h"
#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// Rows of the table, by the ids of the queue's state.
struct EmbedOp {
  Matrix table;
  int64_t rows;
  float* out;
  bool operator==(const EmbedOp&) const = default;
};

struct NormOp {
  float* x;
  int64_t rows, cols;
  const float* gain;
  float eps;
  float* out;
  const float* added = nullptr;  ///< [rows, cols], to x before
  bool leaves_q8 = false;        ///< quantized in Scratch::few_in, for the op behind it
  bool operator==(const NormOp&) const = default;
};

struct AddOp {
  float* y;
  int64_t count;
  const float* x;
  bool operator==(const AddOp&) const = default;
};

struct MatmulOp {
  const float* x;  ///< [rows, cols]
  int64_t rows, cols;
  std::array<Product, kMostProducts> products;
  size_t count;
  bool finds_q8 = false;  ///< the op before it left x quantized
  bool operator==(const MatmulOp&) const = default;
};

/// At the position of the queue's state.
struct AttentionOp {
  AttentionRows rows;
  KvView cache;
  int32_t parts;  ///< of the sequence, where it is split
  bool leaves_q8 = false;
  bool operator==(const AttentionOp&) const = default;
};

struct MoeOp {
  const float* x;  ///< [rows, dim]
  int64_t rows;
  Matrix router;  ///< data null: one expert takes every row
  Experts experts;
  int64_t top_k;
  float* out;  ///< [rows, dim]
  bool finds_q8 = false;
  bool operator==(const MoeOp&) const = default;
};

using Op = std::variant<EmbedOp, NormOp, AddOp, MatmulOp, AttentionOp, MoeOp>;

/// Formats whose products with few rows take activations in int8.
inline constexpr FormatSet kQuantizedFormats =
    format_bit(Format::kQ8_0) | format_bit(Format::kQ4_0) | format_bit(Format::kQ4_K) |
    format_bit(Format::kQ5_K) | format_bit(Format::kQ6_K);
/// Formats of the matrices that x is multiplied with, the router apart.
FormatSet input_formats(const MatmulOp& op);
FormatSet input_formats(const MoeOp& op);

/// For ops of up to kFewRows rows that follow each other: true when `last` now does the work of
/// both. Otherwise `last` may have taken the quantization of its result from `next`.
bool fuse(Op& last, Op& next);

}  // namespace octavo::cuda
