// One emulated block of threads: barriers, and what the lanes of a warp do together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace octavo::cuda_emulation {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

/// What a kernel is run with.
struct Launch {
  Dim3 grid, block;
  size_t shared_bytes = 0;            ///< dynamic
  const std::function<void()>* body;  ///< the kernel with its arguments, called by every thread
};

/// Runs all threads of all blocks. Returns what went wrong (threads of a block that wait at
/// different barriers, lanes that are missing), or nothing.
std::string run_grid(const Launch& launch);

/// The order in which threads and blocks go on: 0, by their index; otherwise drawn anew whenever
/// there is a choice, so that a missing barrier gives other results. For the calling thread.
void set_order(uint64_t seed);

/// Called by the threads of a block. `site` tells one barrier of a kernel from another.
void block_barrier(int site);
/// Waits for the lanes of `mask`; the last one to come calls complete(lanes, mask) with what each
/// of them brought, null where a lane is not in the mask. `site` is the same for all of them.
using Complete = void (*)(void* const* lanes, uint32_t mask);
void warp_together(uint32_t mask, int site, void* mine, Complete complete);
unsigned lane();
/// Dynamic shared memory of the block, as many bytes as the launch asked for; NaNs at first.
void* dynamic_shared();
/// Ends the kernel: what it did is not allowed on a card.
[[noreturn]] void misuse(const std::string& what);

/// Copies of cp.async: they happen when they are waited for, not before.
void copy_later(void* to, const void* from, size_t bytes, size_t zeros);
void commit_copies();
void wait_copies(size_t groups_left);

}  // namespace octavo::cuda_emulation
