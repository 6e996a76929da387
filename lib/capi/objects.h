// What the handles stand for.
#pragma once

#include <atomic>
#include <set>
#include <stop_token>
#include <string>

#include "capi/handles.h"
#include "octavo/octavo.hpp"

namespace octavo::capi {

/// A session, what was asked of it from other threads, and its callback. Not to be moved.
struct SessionObject {
  explicit SessionObject(Session made);

  Session session;
  std::atomic<bool> is_busy = false;
  /// Requested when the handle is freed: the call at work ends, also if it has not begun to
  /// compute.
  std::stop_source freed;
  octavo_progress_callback on_progress = nullptr;
  void* progress_user = nullptr;
  std::set<std::string> op_names;  ///< that the caller was given pointers to
};

struct SamplerObject {
  explicit SamplerObject(Sampler made) : sampler(std::move(made)) {}

  Sampler sampler;
  std::atomic<bool> is_busy = false;
};

// Never destroyed: threads may go on while the process ends.
HandleTable<octavo_model, Model>& models();
HandleTable<octavo_session, SessionObject>& sessions();
HandleTable<octavo_sampler, SamplerObject>& samplers();

/// One call's use of an object that is for one call at a time. Throws Failure(OCTAVO_BUSY).
template <class Object>
class Use {
 public:
  explicit Use(std::shared_ptr<Object> object) : object_(std::move(object)) {
    if (object_->is_busy.exchange(true)) {
      throw Failure{OCTAVO_BUSY, "another call is at work on this; wait for it or cancel it"};
    }
  }
  ~Use() { object_->is_busy = false; }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  Object* operator->() const { return object_.get(); }

 private:
  std::shared_ptr<Object> object_;
};

struct SessionUse : Use<SessionObject> {
  explicit SessionUse(const octavo_session* session)
      : Use<SessionObject>(sessions().find(session)) {}
};

struct SamplerUse : Use<SamplerObject> {
  explicit SamplerUse(const octavo_sampler* sampler)
      : Use<SamplerObject>(samplers().find(sampler)) {}
};

}  // namespace octavo::capi
