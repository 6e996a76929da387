#include "signals_cancel.h"

#include <atomic>

namespace octavo::cli {
namespace {

// A signal handler has nothing else to read.
std::atomic<Session*> at_work = nullptr;
static_assert(std::atomic<Session*>::is_always_lock_free);

}  // namespace

SignalsCancel::SignalsCancel(Session& session) { at_work = &session; }

SignalsCancel::~SignalsCancel() { at_work = nullptr; }

void SignalsCancel::cancel() {
  if (Session* session = at_work) session->cancel();
}

}  // namespace octavo::cli
