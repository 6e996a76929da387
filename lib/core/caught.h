// A callback in parallel(), whose body nothing may leave.
#pragma once

#include <exception>

namespace octavo {

/// Keeps what a callback throws, to be thrown behind the parallel region. For one thread's calls.
class Caught {
 public:
  /// What call() returns; false when it throws.
  template <class Call>
  bool run(Call call) {
    try {
      return call();
    } catch (...) {
      error_ = std::current_exception();
      return false;
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

}  // namespace octavo
