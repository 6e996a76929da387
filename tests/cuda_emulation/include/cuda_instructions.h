// Twins of lib/backend/cuda/kernels/instructions.cuh in plain C++.
#pragma once

#include <cuda_runtime.h>

#include <cstring>

#include "cuda_emulation/warp.h"
#include "quant/float16.h"

namespace octavo::cuda_emulation {

enum Instruction { kMmaBf16 = -100, kMmaF16, kMmaS8, kLoadMatrices };

inline float half_of(uint32_t pair, int i, bool bf16) {
  const auto bits = static_cast<uint16_t>(pair >> (16 * i));
  return bf16 ? bf16_to_f32(bits) : f16_to_f32(bits);
}

template <class T>
struct Mma {
  T (&d)[4];
  const uint32_t (&a)[4];
  const uint32_t (&b)[2];
};

/// Lane l holds of a: rows l / 4 and l / 4 + 8, of each 32-bit word w the part at 4 * w + l % 4
/// (in words of a row, w = 0 and 1); of b the same of column l / 4.
template <bool kBf16>
void complete_mma_halves(void* const* lanes, uint32_t) {
  const auto at = [&](int l) -> Mma<float>& { return *static_cast<Mma<float>*>(lanes[l]); };
  for (int row = 0; row < 16; ++row) {
    for (int col = 0; col < 8; ++col) {
      double sum = 0;
      for (int k = 0; k < 16; ++k) {
        const int word = k / 8, quarter = k % 8 / 2;
        const uint32_t a = at(row % 8 * 4 + quarter).a[2 * word + row / 8];
        const uint32_t b = at(col * 4 + quarter).b[word];
        sum += double{half_of(a, k % 2, kBf16)} * half_of(b, k % 2, kBf16);
      }
      float& d = at(row % 8 * 4 + col / 2).d[row / 8 * 2 + col % 2];
      d = static_cast<float>(d + sum);
    }
  }
}

inline void complete_mma_s8(void* const* lanes, uint32_t) {
  const auto at = [&](int l) -> Mma<int32_t>& { return *static_cast<Mma<int32_t>*>(lanes[l]); };
  for (int row = 0; row < 16; ++row) {
    for (int col = 0; col < 8; ++col) {
      int32_t sum = 0;
      for (int k = 0; k < 32; ++k) {
        const int word = k / 16, quarter = k % 16 / 4, byte = 8 * (k % 4);
        const uint32_t a = at(row % 8 * 4 + quarter).a[2 * word + row / 8];
        const uint32_t b = at(col * 4 + quarter).b[word];
        sum += static_cast<int8_t>(a >> byte) * static_cast<int8_t>(b >> byte);
      }
      at(row % 8 * 4 + col / 2).d[row / 8 * 2 + col % 2] += sum;
    }
  }
}

struct LoadMatrices {
  const void* row;
  uint32_t* words;
  int count;
  bool transposed;
};

inline void complete_load(void* const* lanes, uint32_t) {
  const auto at = [&](int l) -> LoadMatrices& { return *static_cast<LoadMatrices*>(lanes[l]); };
  const int count = at(0).count;
  uint32_t words[4][32];  // read before any lane's words change
  for (int m = 0; m < count; ++m) {
    for (int l = 0; l < 32; ++l) {
      uint16_t pair[2];
      for (int i = 0; i < 2; ++i) {
        const int outer = l / 4, inner = l % 4 * 2 + i;
        const int row = at(l).transposed ? inner : outer, col = at(l).transposed ? outer : inner;
        std::memcpy(&pair[i], static_cast<const std::byte*>(at(8 * m + row).row) + 2 * col, 2);
      }
      words[m][l] = pair[0] | static_cast<uint32_t>(pair[1]) << 16;
    }
  }
  for (int l = 0; l < 32; ++l) {
    for (int m = 0; m < count; ++m) at(l).words[m] = words[m][l];
  }
}

template <int kCount>
void load(uint32_t (&r)[kCount], const void* row, bool transposed) {
  // Lanes past the last matrix's rows may hold any address.
  if (lane() < 8 * kCount && reinterpret_cast<uintptr_t>(row) % 16 != 0) {
    misuse("a row of ldmatrix is not aligned to 16 bytes");
  }
  LoadMatrices mine = {row, r, kCount, transposed};
  warp_together(0xFFFFFFFFu, kLoadMatrices, &mine, complete_load);
}

}  // namespace octavo::cuda_emulation

namespace octavo::cuda {

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  cuda_emulation::Mma<float> mine = {d, a, b};
  cuda_emulation::warp_together(0xFFFFFFFFu, cuda_emulation::kMmaBf16, &mine,
                                cuda_emulation::complete_mma_halves<true>);
}
inline void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  cuda_emulation::Mma<float> mine = {d, a, b};
  cuda_emulation::warp_together(0xFFFFFFFFu, cuda_emulation::kMmaF16, &mine,
                                cuda_emulation::complete_mma_halves<false>);
}
inline void mma_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  cuda_emulation::Mma<int32_t> mine = {d, a, b};
  cuda_emulation::warp_together(0xFFFFFFFFu, cuda_emulation::kMmaS8, &mine,
                                cuda_emulation::complete_mma_s8);
}

template <int kCount>
void load_matrices(uint32_t (&r)[kCount], const void* row) {
  cuda_emulation::load(r, row, false);
}
template <int kCount>
void load_transposed(uint32_t (&r)[kCount], const void* row) {
  cuda_emulation::load(r, row, true);
}

inline void copy_async(void* shared, const void* global, int bytes = 16) {
  const auto aligned = [](const void* address) {
    return reinterpret_cast<uintptr_t>(address) % 16 == 0;
  };
  if (!aligned(shared) || !aligned(global)) cuda_emulation::misuse("cp.async is not aligned");
  cuda_emulation::copy_later(shared, global, static_cast<size_t>(bytes),
                             static_cast<size_t>(16 - bytes));
}
inline void commit_copies() { cuda_emulation::commit_copies(); }
template <int kLeft>
void wait_copies() {
  cuda_emulation::wait_copies(kLeft);
}

inline int4 load_once(const void* address) {
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0) {
    cuda_emulation::misuse("a load of 16 bytes is not aligned");
  }
  int4 value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

}  // namespace octavo::cuda
