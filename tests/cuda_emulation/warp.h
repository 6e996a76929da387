// What the lanes of a warp do together: shuffles, votes.
#pragma once

#include <bit>
#include <cstdint>

#include "cuda_emulation/block.h"

namespace octavo::cuda_emulation {

template <class T>
struct Shuffled {
  T given, taken;
  unsigned from;  ///< lane
};

/// Every lane gets what the lane that it names has given.
template <class T>
T shuffle(uint32_t mask, T given, unsigned from, int site) {
  Shuffled<T> mine = {given, given, from};
  warp_together(mask, site, &mine, [](void* const* lanes, uint32_t) {
    for (int l = 0; l < 32; ++l) {
      if (lanes[l] == nullptr) continue;
      auto& one = *static_cast<Shuffled<T>*>(lanes[l]);
      // What a lane outside the mask gives is not defined: NaN for floats, all ones.
      if (const void* other = lanes[one.from % 32]; other != nullptr) {
        one.taken = static_cast<const Shuffled<T>*>(other)->given;
      } else {
        __builtin_memset(&one.taken, 0xFF, sizeof(T));
      }
    }
  });
  return mine.taken;
}

struct Vote {
  bool given;
  uint32_t all;
};

inline uint32_t vote(uint32_t mask, bool given, int site) {
  Vote mine = {given, 0};
  warp_together(mask, site, &mine, [](void* const* lanes, uint32_t) {
    uint32_t all = 0;
    for (int l = 0; l < 32; ++l) {
      if (lanes[l] != nullptr && static_cast<const Vote*>(lanes[l])->given) all |= 1u << l;
    }
    for (int l = 0; l < 32; ++l) {
      if (lanes[l] != nullptr) static_cast<Vote*>(lanes[l])->all = all;
    }
  });
  return mine.all;
}

}  // namespace octavo::cuda_emulation

inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, int line = __builtin_LINE()) {
  octavo::cuda_emulation::vote(mask, false, line);
}
inline unsigned __ballot_sync(unsigned mask, bool given, int line = __builtin_LINE()) {
  return octavo::cuda_emulation::vote(mask, given, line);
}
inline int __any_sync(unsigned mask, bool given, int line = __builtin_LINE()) {
  return octavo::cuda_emulation::vote(mask, given, line) != 0;
}
inline int __all_sync(unsigned mask, bool given, int line = __builtin_LINE()) {
  return octavo::cuda_emulation::vote(mask, given, line) == mask;
}
inline unsigned __activemask() { return 0xFFFFFFFFu; }

// `width` lanes, a power of two, are a group of their own.
template <class T>
T __shfl_sync(unsigned mask, T given, int from, int width = 32, int line = __builtin_LINE()) {
  namespace emulation = octavo::cuda_emulation;
  const unsigned group = emulation::lane() & ~static_cast<unsigned>(width - 1);
  return emulation::shuffle(mask, given, group + static_cast<unsigned>(from % width), line);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T given, int lanes, int width = 32, int line = __builtin_LINE()) {
  namespace emulation = octavo::cuda_emulation;
  const unsigned self = emulation::lane(), other = self ^ static_cast<unsigned>(lanes);
  const bool inside = other / static_cast<unsigned>(width) <= self / static_cast<unsigned>(width);
  return emulation::shuffle(mask, given, inside ? other : self, line);
}
template <class T>
T __shfl_down_sync(unsigned mask, T given, unsigned lanes, int width = 32,
                   int line = __builtin_LINE()) {
  namespace emulation = octavo::cuda_emulation;
  const unsigned self = emulation::lane(), size = static_cast<unsigned>(width);
  const bool inside = self % size + lanes < size;
  return emulation::shuffle(mask, given, inside ? self + lanes : self, line);
}
template <class T>
T __shfl_up_sync(unsigned mask, T given, unsigned lanes, int width = 32,
                 int line = __builtin_LINE()) {
  namespace emulation = octavo::cuda_emulation;
  const unsigned self = emulation::lane(), size = static_cast<unsigned>(width);
  const bool inside = self % size >= lanes;
  return emulation::shuffle(mask, given, inside ? self - lanes : self, line);
}
