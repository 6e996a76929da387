// Handles: numbers in the shape of pointers, each given once. One that was freed, or never made, is
// found out by looking it up; nothing is ever read through it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "capi/status.h"

namespace octavo::capi {

/// The next number for a handle of any type; never 0.
uintptr_t new_handle_number();

/// The live objects behind handles of one type. Safe to use from several threads.
template <class Handle, class Object>
class HandleTable {
 public:
  explicit HandleTable(const char* name) : name_(name) {}

  Handle* add(std::shared_ptr<Object> object) {
    const uintptr_t number = new_handle_number();
    const std::lock_guard lock(mutex_);
    objects_.emplace(number, std::move(object));
    return reinterpret_cast<Handle*>(number);  // NOLINT(performance-no-int-to-ptr): never followed
  }
  /// The object lives at least as long as the answer, also when another thread frees the handle.
  std::shared_ptr<Object> find(const Handle* handle) {
    const std::lock_guard lock(mutex_);
    return find_locked(handle)->second;
  }
  std::shared_ptr<Object> remove(const Handle* handle) {
    const std::lock_guard lock(mutex_);
    const auto found = find_locked(handle);
    std::shared_ptr<Object> object = std::move(found->second);
    objects_.erase(found);
    return object;  // destroyed by the caller, outside of the lock
  }

 private:
  auto find_locked(const Handle* handle) {
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == objects_.end()) {
      throw Failure{OCTAVO_INVALID_HANDLE,
                    std::string("this is no ") + name_ + (handle ? " (or was freed)" : ": NULL")};
    }
    return found;
  }

  const char* const name_;
  std::mutex mutex_;
  std::unordered_map<uintptr_t, std::shared_ptr<Object>> objects_;
};

}  // namespace octavo::capi
