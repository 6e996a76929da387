// Memory of the CPU backend: anonymous pages, zero until touched, so room that is never used costs
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "octavo/machine.hpp"

namespace octavo {

/// Page-aligned zeroed bytes. Throws Error(kIo) when the system refuses.
class Pages {
 public:
  Pages() = default;
  explicit Pages(int64_t bytes);
  ~Pages();
  Pages(Pages&& other) noexcept { swap(other); }
  Pages& operator=(Pages&& other) noexcept {
    swap(other);
    return *this;
  }
  std::byte* data() const { return data_; }
  /// Asks for large pages, or for none, before any is touched; the system may do as it likes.
  void prefer_huge(bool huge);

 private:
  void swap(Pages& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

/// `count` values of T in their own pages.
template <class T>
class PageArray {
 public:
  PageArray() = default;
  explicit PageArray(int64_t count) : pages_(count * static_cast<int64_t>(sizeof(T))) {}
  T* data() const { return reinterpret_cast<T*>(pages_.data()); }

 private:
  Pages pages_;
};

/// The machine's, without what other programs hold. Zeros where the system does not say.
DeviceMemory machine_memory();

}  // namespace octavo
