// Asks for the source's bytes before they are wanted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "convert/source.h"

namespace octavo {

class ReadAhead {
 public:
  explicit ReadAhead(const ModelSource& source) : source_(source) {}

  /// Tensors before `index` are not read.
  void start_at(size_t index) { tensor_ = index; }
  /// `bytes` more are being used: asks for as many further on, in the order of the tensors. From
  /// any thread; one asks for all.
  void used(int64_t bytes);

 private:
  void request_next();

  const ModelSource& source_;
  std::atomic<int64_t> used_ = 0;
  std::mutex mutex_;   // guards what follows
  size_t tensor_ = 0;  // the next to be asked for
  int64_t row_ = 0;    // of it
  int64_t asked_ = 0;  // bytes
};

}  // namespace octavo
