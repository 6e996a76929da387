// What a stored tensor is, without saying where it lives or who computes with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quant/format.h"

namespace octavo {

/// How the numbers of a stored tensor are arranged.
enum class Order : uint8_t {
  kPacked,  ///< r16k4 panels, see quant/packed.h
  kPlain,   ///< row-major f32; vectors (norms) only
};

/// A tensor of a mapped model file: [rows, cols], out x in. A vector has rows == 1.
struct TensorView {
  Format format = Format::kF32;
  Order order = Order::kPacked;
  int64_t rows = 0;
  int64_t cols = 0;
  const std::byte* data = nullptr;
  int64_t bytes = 0;
};

}  // namespace octavo
