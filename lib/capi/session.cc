// Sessions in C.
#include "capi/objects.h"
#include "capi/structs.h"

using octavo::Session;
using octavo::capi::guarded;
using octavo::capi::ids_of;
using octavo::capi::models;
using octavo::capi::require;
using octavo::capi::SessionObject;
using octavo::capi::sessions;
using octavo::capi::SessionUse;

namespace octavo::capi {
namespace {

octavo_session* add(Session session) {
  return sessions().add(std::make_shared<SessionObject>(std::move(session)));
}

void give(std::span<const float> values, const float** logits, size_t* vocab) {
  if (logits != nullptr) *logits = values.data();
  if (vocab != nullptr) *vocab = values.size();
}

}  // namespace
}  // namespace octavo::capi

extern "C" {

octavo_status octavo_session_create(const octavo_model* model,
                                    const octavo_session_options* options,
                                    octavo_session** session) {
  return guarded([&] {
    require(session, "session");
    *session = nullptr;
    const auto found = models().find(model);
    *session = octavo::capi::add(Session(*found, octavo::capi::session_options(options)));
  });
}

octavo_status octavo_session_free(octavo_session* session) {
  return guarded([&] {
    if (session == nullptr) return;
    const auto object = sessions().remove(session);
    object->freed.request_stop();
    object->session.cancel();
  });
}

octavo_status octavo_session_get_info(const octavo_session* session, octavo_session_info* info) {
  return guarded([&] {
    const SessionUse use(session);
    require(info, "info");
    const octavo_session_info value = {
        .struct_size = sizeof(octavo_session_info),
        .position = use->session.position(),
        .context = use->session.context(),
        .cache_bytes = use->session.cache_bytes(),
        .reused = use->session.reused(),
        .threads = use->session.threads(),
        .cache = octavo::capi::cache_number(use->session.cache_type())};
    octavo::capi::write_struct(info, info->struct_size, value);
  });
}

octavo_status octavo_session_tokens(const octavo_session* session, int32_t* ids, size_t capacity,
                                    size_t* count) {
  return guarded([&] {
    const SessionUse use(session);
    octavo::capi::copy_out<int32_t>(use->session.tokens(), {}, ids, capacity, count);
  });
}

octavo_status octavo_session_feed(octavo_session* session, const int32_t* ids, size_t count,
                                  const float** logits, size_t* vocab) {
  return guarded([&] {
    const SessionUse work(session);
    octavo::capi::give(work->session.feed(ids_of(ids, count)), logits, vocab);
  });
}

octavo_status octavo_session_prompt(octavo_session* session, const int32_t* ids, size_t count,
                                    const float** logits, size_t* vocab) {
  return guarded([&] {
    const SessionUse work(session);
    octavo::capi::give(work->session.prompt(ids_of(ids, count)), logits, vocab);
  });
}

octavo_status octavo_session_evaluate(octavo_session* session, const int32_t* ids, size_t count,
                                      size_t first, octavo_logits_callback callback, void* user) {
  return guarded([&] {
    const SessionUse work(session);
    const auto all = ids_of(ids, count);
    if (callback == nullptr) {
      throw octavo::capi::Failure{OCTAVO_INVALID_ARGUMENT, "the callback must not be NULL"};
    }
    // An index beyond all ids stays one.
    const auto from = static_cast<int64_t>(std::min(first, all.size()));
    work->session.evaluate(all, from, [&](int64_t index, std::span<const float> logits) {
      callback(index, logits.data(), logits.size(), user);
    });
  });
}

octavo_status octavo_session_rewind(octavo_session* session, int64_t position) {
  return guarded([&] { SessionUse(session)->session.rewind(position); });
}

octavo_status octavo_session_fork(const octavo_session* session, octavo_session** fork) {
  return guarded([&] {
    require(fork, "fork");
    *fork = nullptr;
    const SessionUse use(session);
    *fork = octavo::capi::add(use->session.fork());
  });
}

octavo_status octavo_session_save(const octavo_session* session, const char* path) {
  return guarded([&] { SessionUse(session)->session.save(octavo::capi::path_of(path)); });
}

octavo_status octavo_session_restore(const octavo_model* model, const char* path,
                                     const octavo_session_options* options,
                                     octavo_session** session) {
  return guarded([&] {
    require(session, "session");
    *session = nullptr;
    const auto found = models().find(model);
    *session = octavo::capi::add(Session::restore(*found, octavo::capi::path_of(path),
                                                  octavo::capi::session_options(options)));
  });
}

octavo_status octavo_session_on_progress(octavo_session* session, octavo_progress_callback callback,
                                         void* user) {
  return guarded([&] {
    const SessionUse use(session);
    use->on_progress = callback;
    use->progress_user = user;
  });
}

octavo_status octavo_session_on_routing(octavo_session* session, octavo_routing_callback callback,
                                        void* user) {
  return guarded([&] {
    const SessionUse use(session);
    if (callback == nullptr) return use->session.trace_routing({});
    use->session.trace_routing([callback, user](const octavo::RoutedToken& routed) {
      const octavo_routed_token token = {.struct_size = sizeof(octavo_routed_token),
                                         .layer = routed.layer,
                                         .position = routed.position,
                                         .chosen = routed.experts.size(),
                                         .experts = routed.experts.data(),
                                         .weights = routed.weights.data(),
                                         .expert_count = routed.logits.size(),
                                         .logits = routed.logits.data()};
      callback(&token, user);
    });
  });
}

octavo_status octavo_session_profile(const octavo_session* session, octavo_op_profile* ops,
                                     size_t capacity, size_t* count) {
  return guarded([&] {
    const SessionUse use(session);
    std::vector<octavo_op_profile> result;
    for (const octavo::OpProfile& op : use->session.profile()) {
      result.push_back({.name = use->op_names.insert(op.name).first->c_str(),
                        .calls = op.calls,
                        .seconds = op.seconds,
                        .bytes = op.bytes,
                        .operations = op.operations});
    }
    octavo::capi::copy_out<octavo_op_profile>(result, {}, ops, capacity, count);
  });
}

octavo_status octavo_session_reset_profile(octavo_session* session) {
  return guarded([&] { SessionUse(session)->session.reset_profile(); });
}

octavo_status octavo_session_cancel(const octavo_session* session) {
  return guarded([&] { sessions().find(session)->session.cancel(); });
}
}
