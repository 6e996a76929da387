// A context of its own for each thread of an emulated block, switched by hand: a barrier switches
// hundreds of times, and a system call each time (as swapcontext does) would be most of the work.
#pragma once

#include <cstddef>
#include <memory>

namespace octavo::cuda_emulation {

/// A stack on which one function runs, to be left and entered again. Never destroyed while another
/// thread of the system is inside.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next enter() starts body(argument) from its beginning. body ends with leave() and is not
  /// entered again.
  void start(void (*body)(void*), void* argument);
  /// Runs it until it leaves.
  void enter();
  /// Back to enter(); called by the fiber. `for_good`: it will not be entered again.
  void leave(bool for_good = false);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octavo::cuda_emulation
