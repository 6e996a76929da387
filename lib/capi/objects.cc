#include "capi/objects.h"

namespace octavo::capi {

SessionObject::SessionObject(Session made) : session(std::move(made)) {
  session.on_progress([this](int64_t done, int64_t total) {
    const bool is_ended = on_progress != nullptr && on_progress(done, total, progress_user) != 0;
    return !is_ended && !freed.stop_requested();
  });
}

HandleTable<octavo_model, Model>& models() {
  static auto* const table = new HandleTable<octavo_model, Model>("model");
  return *table;
}

HandleTable<octavo_session, SessionObject>& sessions() {
  static auto* const table = new HandleTable<octavo_session, SessionObject>("session");
  return *table;
}

HandleTable<octavo_sampler, SamplerObject>& samplers() {
  static auto* const table = new HandleTable<octavo_sampler, SamplerObject>("sampler");
  return *table;
}

}  // namespace octavo::capi
