#include "convert/write_behind.h"

#include <utility>

namespace octavo {
namespace {

/// Enough to make on while the disk is busy with a sync, little beside what a user has.
constexpr size_t kMostPending = size_t{256} << 20;

}  // namespace

WriteBehind::WriteBehind(ModelWriter& writer) : writer_(writer), thread_([this] { run(); }) {}

WriteBehind::~WriteBehind() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WriteBehind::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

std::vector<std::byte> WriteBehind::buffer(size_t bytes) {
  std::vector<std::byte> taken;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return error_ || pending_ == 0 || pending_ + bytes <= kMostPending; });
    rethrow();
    if (!unused_.empty()) {
      taken = std::move(unused_.back());
      unused_.pop_back();
    }
  }
  taken.resize(bytes);
  return taken;
}

void WriteBehind::write(size_t index, std::vector<std::byte> bytes) {
  {
    const std::lock_guard lock(mutex_);
    pending_ += bytes.size();
    queue_.push_back({index, std::move(bytes)});
  }
  changed_.notify_all();
}

void WriteBehind::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || pending_ == 0; });
  rethrow();
}

void WriteBehind::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    Batch batch = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    std::exception_ptr error;
    try {
      writer_.append(batch.index, batch.bytes);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    pending_ -= batch.bytes.size();
    unused_.push_back(std::move(batch.bytes));
    changed_.notify_all();
    if (error) {
      error_ = error;
      return;
    }
  }
}

}  // namespace octavo
