// Launchers of what measures the card: memory and matrix units at their best.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// Copies `bytes`, a multiple of 16, with all of `blocks` blocks.
void copy_bytes(const std::byte* from, std::byte* to, int64_t bytes, int blocks, Stream stream);

/// Threads of a block of the other two.
inline constexpr int kSpinThreads = 256;

/// Every warp multiplies tiles of bf16 in registers (mma.sync), `rounds` times kSpinChains of them.
/// `check` [blocks * kSpinThreads]: so that nothing is left out.
void spin_bf16(int blocks, int rounds, float* check, Stream stream);
/// The same of f32 multiplications and additions.
void spin_f32(int blocks, int rounds, float* check, Stream stream);

/// Independent sums of a warp, or of a thread, so that none waits for the one before.
inline constexpr int kSpinChains = 8;
/// Multiplications and additions of a launch.
constexpr double spin_bf16_operations(int blocks, int rounds) {
  return 2.0 * 16 * 8 * 16 * kSpinChains * (kSpinThreads / 32) * blocks * rounds;
}
constexpr double spin_f32_operations(int blocks, int rounds) {
  return 2.0 * kSpinChains * kSpinThreads * blocks * rounds;
}

}  // namespace octavo::cuda
