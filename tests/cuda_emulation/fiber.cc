#include "cuda_emulation/fiber.h"

#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define OCTAVO_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OCTAVO_FIBER_ASAN 1
#endif
#endif

#if defined(OCTAVO_FIBER_ASAN)
extern "C" void __sanitizer_start_switch_fiber(void** save, const void* bottom, size_t size);
extern "C" void __sanitizer_finish_switch_fiber(void* save, const void** bottom, size_t* size);
#endif

namespace octavo::cuda_emulation {
namespace {

#if defined(OCTAVO_FIBER_ASAN)
constexpr size_t kStackBytes = 256 << 10;  // every local has its red zones
#else
constexpr size_t kStackBytes = 64 << 10;
#endif

}  // namespace

#if defined(__x86_64__)

// Saves what the ABI keeps across a call, and goes on where `to` was saved.
extern "C" void octavo_switch_stack(void** from, void* to);
asm(R"(
.text
.type octavo_switch_stack, @function
octavo_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size octavo_switch_stack, .-octavo_switch_stack
)");

struct Context {
  void* stack_pointer = nullptr;
  void switch_to(const Context& other) { octavo_switch_stack(&stack_pointer, other.stack_pointer); }
};

#else

struct Context {
  ucontext_t context;
  void switch_to(Context& other) { swapcontext(&context, &other.context); }
};

#endif

struct Fiber::State {
  std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(kStackBytes);
  Context inside, outside;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
#if defined(OCTAVO_FIBER_ASAN)
  void* fake_inside = nullptr;
  void* fake_outside = nullptr;
  const void* outside_bottom = nullptr;
  size_t outside_bytes = 0;
#endif

  static thread_local State* starting;
  static void run() {
    State& state = *starting;
#if defined(OCTAVO_FIBER_ASAN)
    __sanitizer_finish_switch_fiber(nullptr, &state.outside_bottom, &state.outside_bytes);
#endif
    state.body(state.argument);
    __builtin_unreachable();
  }
};
thread_local Fiber::State* Fiber::State::starting = nullptr;

Fiber::Fiber() : state_(std::make_unique<State>()) {}
Fiber::~Fiber() = default;

void Fiber::start(void (*body)(void*), void* argument) {
  state_->body = body;
  state_->argument = argument;
#if defined(OCTAVO_FIBER_ASAN)
  state_->fake_inside = nullptr;
#endif
#if defined(__x86_64__)
  // Six registers, the address to return to, and a stack that is aligned as after a call.
  auto* top = reinterpret_cast<uintptr_t*>(
      (reinterpret_cast<uintptr_t>(state_->stack.get()) + kStackBytes) & ~uintptr_t{63});
  *--top = 0;
  *--top = reinterpret_cast<uintptr_t>(&State::run);
  for (int i = 0; i < 6; ++i) *--top = 0;
  state_->inside.stack_pointer = top;
#else
  getcontext(&state_->inside.context);
  state_->inside.context.uc_stack.ss_sp = state_->stack.get();
  state_->inside.context.uc_stack.ss_size = kStackBytes;
  makecontext(&state_->inside.context, &State::run, 0);
#endif
}

void Fiber::enter() {
  State::starting = state_.get();
#if defined(OCTAVO_FIBER_ASAN)
  __sanitizer_start_switch_fiber(&state_->fake_outside, state_->stack.get(), kStackBytes);
#endif
  state_->outside.switch_to(state_->inside);
#if defined(OCTAVO_FIBER_ASAN)
  __sanitizer_finish_switch_fiber(state_->fake_outside, nullptr, nullptr);
#endif
}

void Fiber::leave([[maybe_unused]] bool for_good) {
#if defined(OCTAVO_FIBER_ASAN)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &state_->fake_inside, state_->outside_bottom,
                                 state_->outside_bytes);
#endif
  state_->inside.switch_to(state_->outside);
#if defined(OCTAVO_FIBER_ASAN)
  __sanitizer_finish_switch_fiber(state_->fake_inside, &state_->outside_bottom,
                                  &state_->outside_bytes);
#endif
}

}  // namespace octavo::cuda_emulation
