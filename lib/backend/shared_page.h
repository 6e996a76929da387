// A page of the KV cache that several caches hold until one of them writes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace octavo {

/// Memory of some positions in all layers, counted by the caches that hold it. Memory: of a device,
/// with data().
template <class Memory>
class SharedPage {
 public:
  SharedPage() = default;
  explicit SharedPage(Memory memory) : body_(new Body{1, std::move(memory)}) {}
  SharedPage(const SharedPage& other) noexcept : body_(other.body_) {
    if (body_ != nullptr) body_->users.fetch_add(1, std::memory_order_relaxed);
  }
  SharedPage(SharedPage&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  SharedPage& operator=(SharedPage other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~SharedPage() {
    if (body_ != nullptr && body_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) delete body_;
  }
  explicit operator bool() const { return body_ != nullptr; }
  std::byte* data() const { return body_->memory.data(); }
  /// Nobody else reads it any more; shared_ptr's use_count() would not order their reads before our
  /// writes.
  bool sole() const { return body_->users.load(std::memory_order_acquire) == 1; }

 private:
  struct Body {
    std::atomic<int64_t> users;
    Memory memory;
  };
  Body* body_ = nullptr;
};

}  // namespace octavo
