// The experts of one layer, as kernels see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// w1, w3 [ffn, dim], w2 [dim, ffn] of one expert, packed, on the device. Formats may differ from
/// matrix to matrix.
struct ExpertMatrices {
  const std::byte *w1 = nullptr, *w3 = nullptr, *w2 = nullptr;
  Format w1_format = Format::kF32, w3_format = Format::kF32, w2_format = Format::kF32;
  bool operator==(const ExpertMatrices&) const = default;
};

/// A set of formats, one bit each.
using FormatSet = uint32_t;
constexpr FormatSet format_bit(Format format) { return FormatSet{1} << static_cast<int>(format); }

struct Experts {
  const ExpertMatrices* matrices = nullptr;  ///< [count], on the device
  int32_t count = 0;
  int64_t dim = 0, ffn = 0;
  FormatSet hidden = 0;       ///< formats of w1 and w3 where both are the same
  bool hidden_mixed = false;  ///< some expert's w1 and w3 differ
  FormatSet output = 0;       ///< formats of w2
  bool operator==(const Experts&) const = default;
};

/// `host` [count] has what lies at `device`.
inline Experts describe_experts(std::span<const ExpertMatrices> host, const ExpertMatrices* device,
                                int64_t dim, int64_t ffn) {
  Experts experts{device, static_cast<int32_t>(host.size()), dim, ffn};
  for (const ExpertMatrices& expert : host) {
    if (expert.w1_format == expert.w3_format) experts.hidden |= format_bit(expert.w1_format);
    experts.hidden_mixed |= expert.w1_format != expert.w3_format;
    experts.output |= format_bit(expert.w2_format);
  }
  return experts;
}

}  // namespace octavo::cuda
