// Copies the mapped file's bytes to the device through two pinned buffers: while one is on its way,
// the other is filled.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "backend/cuda/memory.h"

namespace octavo::cuda {

class Uploader {
 public:
  Uploader();
  /// Returns when `host` has been read; the last of it may still be on its way.
  void copy(std::span<const std::byte> host, std::byte* device);
  /// What `stream` is given from now on comes after the copies so far.
  void precede(const OwnedStream& stream);
  void wait() { stream_.wait(); }

 private:
  static constexpr int64_t kBytes = int64_t{8} << 20;
  struct Stage {
    Pinned<std::byte> memory{kBytes};
    OwnedEvent copied;
  };
  OwnedStream stream_;
  std::array<Stage, 2> stages_;
  size_t next_ = 0;
};

}  // namespace octavo::cuda
