// A thread that writes what the others have made, so that neither waits for the other.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "io/model_writer.h"

namespace octavo {

class WriteBehind {
 public:
  explicit WriteBehind(ModelWriter& writer);
  /// Waits for the write in progress; what is queued is dropped.
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  /// A buffer of `bytes` with any content. Waits while too much is queued. Throws what a write
  /// threw.
  std::vector<std::byte> buffer(size_t bytes);
  /// Queues the next bytes of tensor `index`.
  void write(size_t index, std::vector<std::byte> bytes);
  /// Waits until all is written. Throws what a write threw.
  void drain();

 private:
  struct Batch {
    size_t index;
    std::vector<std::byte> bytes;
  };

  void run();
  void rethrow();  // with the lock held

  ModelWriter& writer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> queue_;                     // guarded by mutex_, as all below
  std::vector<std::vector<std::byte>> unused_;  // buffers for another time
  size_t pending_ = 0;                          // bytes queued or being written
  std::exception_ptr error_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace octavo
