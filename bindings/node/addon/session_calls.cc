#include "addon/session_calls.h"

#include <algorithm>
#include <cstring>

#include "addon/model.h"
#include "addon/options.h"
#include "addon/session.h"
#include "addon/values.h"
#include "addon/watch.h"

namespace octavo::node {
namespace {

std::shared_ptr<Session> session_of(napi_env env, const Arguments& arguments) {
  return unwrap<Session>(env, arguments[0]);
}

napi_value wrap_session(napi_env env, octavo_session* handle, size_t vocab) {
  return wrap(env, std::make_shared<Session>(env, handle, vocab));
}

napi_value create(napi_env env, const Arguments& arguments) {
  const octavo_model* model = model_of(env, arguments[0]);
  Options<octavo_session_options> options;
  read_options(env, arguments[1], options);
  octavo_session* handle = nullptr;
  require_ok(octavo_session_create(model, &options.values, &handle));
  return wrap_session(env, handle, static_cast<size_t>(info_of(model).vocab));
}

/// restore(model, path, options)
napi_value restore(napi_env env, const Arguments& arguments) {
  struct Restoring {
    std::string path;
    Options<octavo_session_options> options;
    octavo_session* handle = nullptr;
  };
  auto restoring = std::make_shared<Restoring>();
  const octavo_model* model = model_of(env, arguments[0]);
  restoring->path = c_string_of(env, arguments[1], "path");
  read_options(env, arguments[2], restoring->options);
  const auto vocab = static_cast<size_t>(info_of(model).vocab);
  Worker& worker = Environment::of(env).file_reader();
  worker.start();
  const auto compute = [restoring, model] {
    require_ok(octavo_session_restore(model, restoring->path.c_str(), &restoring->options.values,
                                      &restoring->handle));
  };
  const auto result = [restoring, vocab](napi_env given) {
    return wrap_session(given, restoring->handle, vocab);
  };
  return promise_of(env, worker, compute, result, nullptr);
}

napi_value fork(napi_env env, const Arguments& arguments) {
  const auto session = session_of(env, arguments);
  octavo_session* handle = nullptr;
  require_ok(octavo_session_fork(session->idle(), &handle));
  return wrap_session(env, handle, session->vocab());
}

/// A promise of what the session computes: compute(handle) in its thread, then result(env).
template <typename Compute>
napi_value call(napi_env env, napi_value wrapper, const std::shared_ptr<Watch>& watch,
                const Compute& compute, std::function<napi_value(napi_env)> result) {
  const auto session = unwrap<Session>(env, wrapper);
  octavo_session* const handle = session->begin(env, wrapper, watch, nullptr);
  return promise_of(
      env, session->worker(),
      [watch, handle, compute] { watch->run(handle, [&] { compute(handle); }); }, std::move(result),
      [watch, session = session.get()](napi_env given) {
        watch->release(given);
        session->finish(given);
      });
}

/// Floats of a call, which writes them where JavaScript will see them.
struct Logits {
  napi_ref array = nullptr;
  float* values = nullptr;  // [rows, vocab]

  Logits(napi_env env, size_t size) {
    require_ok(env, napi_create_reference(env, float32_array(env, size, &values), 1, &array));
  }
  napi_value take(napi_env env) const {
    napi_value result = nullptr;
    require_ok(env, napi_get_reference_value(env, array, &result));
    require_ok(env, napi_delete_reference(env, array));
    return result;
  }
};

using Feeding = octavo_status (*)(octavo_session*, const int32_t*, size_t, const float**, size_t*);

/// feed(session, ids, onRouting, onProgress): a promise of logits [vocab]. So is prompt.
template <Feeding kFeeding>
napi_value feed(napi_env env, const Arguments& arguments) {
  const auto session = session_of(env, arguments);
  session->idle();
  const std::vector<int32_t> ids = ids_of(env, arguments[1], "ids");
  const auto watch = std::make_shared<Watch>(env, *session, arguments[2], arguments[3]);
  const size_t vocab = session->vocab();
  const Logits logits(env, vocab);
  const auto compute = [ids, logits, vocab](octavo_session* handle) {
    const float* computed = nullptr;
    size_t size = 0;
    require_ok(kFeeding(handle, ids.data(), ids.size(), &computed, &size));
    std::copy_n(computed, std::min(size, vocab), logits.values);
  };
  return call(env, arguments[0], watch, compute,
              [logits](napi_env given) { return logits.take(given); });
}

/// evaluate(session, ids, first, onRouting, onProgress): logits [ids - first, vocab].
napi_value evaluate(napi_env env, const Arguments& arguments) {
  const auto session = session_of(env, arguments);
  session->idle();
  const std::vector<int32_t> ids = ids_of(env, arguments[1], "ids");
  const auto most = std::max<int64_t>(std::ssize(ids) - 1, 0);
  const auto first = static_cast<size_t>(integer_of(env, arguments[2], "first", 0, most));
  const auto watch = std::make_shared<Watch>(env, *session, arguments[3], arguments[4]);
  const size_t vocab = session->vocab();
  const Logits logits(env, (ids.size() - first) * vocab);
  const auto compute = [ids, first, logits, vocab](octavo_session* handle) {
    struct Target {
      float* values;  // [ids - first, vocab]
      int64_t first;
      size_t vocab;
    } target = {logits.values, static_cast<int64_t>(first), vocab};
    const auto copy = [](int64_t index, const float* row, size_t size, void* user) {
      const auto& to = *static_cast<Target*>(user);
      std::copy_n(row, std::min(size, to.vocab),
                  to.values + static_cast<size_t>(index - to.first) * to.vocab);
    };
    require_ok(octavo_session_evaluate(handle, ids.data(), ids.size(), first, copy, &target));
  };
  return call(env, arguments[0], watch, compute,
              [logits](napi_env given) { return logits.take(given); });
}

napi_value save(napi_env env, const Arguments& arguments) {
  const auto session = session_of(env, arguments);
  session->idle();
  const std::string path = c_string_of(env, arguments[1], "path");
  const auto watch = std::make_shared<Watch>(env, *session, undefined(env), undefined(env));
  const auto compute = [path](octavo_session* handle) {
    require_ok(octavo_session_save(handle, path.c_str()));
  };
  return call(env, arguments[0], watch, compute, undefined);
}

napi_value rewind(napi_env env, const Arguments& arguments) {
  const int64_t position = integer_of(env, arguments[1], "position");
  require_ok(octavo_session_rewind(session_of(env, arguments)->idle(), position));
  return undefined(env);
}

napi_value tokens(napi_env env, const Arguments& arguments) {
  octavo_session* const handle = session_of(env, arguments)->idle();
  size_t count = 0;
  octavo_session_tokens(handle, nullptr, 0, &count);
  std::vector<int32_t> ids(count);
  require_ok(octavo_session_tokens(handle, ids.data(), ids.size(), &count));
  return int32_array(env, ids);
}

napi_value info(napi_env env, const Arguments& arguments) {
  octavo_session_info info = {};
  info.struct_size = sizeof info;
  require_ok(octavo_session_get_info(session_of(env, arguments)->idle(), &info));
  const napi_value result = object(env);
  set(env, result, "position", number(env, static_cast<double>(info.position)));
  set(env, result, "context", number(env, static_cast<double>(info.context)));
  set(env, result, "cacheBytes", number(env, static_cast<double>(info.cache_bytes)));
  set(env, result, "reused", number(env, static_cast<double>(info.reused)));
  set(env, result, "threads", number(env, static_cast<double>(info.threads)));
  set(env, result, "cache", string(env, cache_name(info.cache)));
  return result;
}

napi_value profile(napi_env env, const Arguments& arguments) {
  octavo_session* const handle = session_of(env, arguments)->idle();
  size_t count = 0;
  octavo_session_profile(handle, nullptr, 0, &count);
  std::vector<octavo_op_profile> ops(count);
  require_ok(octavo_session_profile(handle, ops.data(), ops.size(), &count));
  napi_value result = nullptr;
  require_ok(env, napi_create_array_with_length(env, ops.size(), &result));
  for (uint32_t i = 0; i < ops.size(); ++i) {
    const napi_value op = object(env);
    set(env, op, "name", string(env, ops[i].name));
    set(env, op, "calls", number(env, static_cast<double>(ops[i].calls)));
    set(env, op, "seconds", number(env, ops[i].seconds));
    set(env, op, "bytes", number(env, ops[i].bytes));
    set(env, op, "operations", number(env, ops[i].operations));
    require_ok(env, napi_set_element(env, result, i, op));
  }
  return result;
}

napi_value reset_profile(napi_env env, const Arguments& arguments) {
  require_ok(octavo_session_reset_profile(session_of(env, arguments)->idle()));
  return undefined(env);
}

napi_value cancel(napi_env env, const Arguments& arguments) {
  session_of(env, arguments)->cancel();
  return undefined(env);
}

napi_value close(napi_env env, const Arguments& arguments) {
  return session_of(env, arguments)->close(env);
}

}  // namespace

std::vector<napi_property_descriptor> session_functions() {
  return {
      function("sessionCreate", entry<create>),
      function("sessionRestore", entry<restore>),
      function("sessionFork", entry<fork>),
      function("sessionFeed", entry<feed<octavo_session_feed>>),
      function("sessionPrompt", entry<feed<octavo_session_prompt>>),
      function("sessionEvaluate", entry<evaluate>),
      function("sessionSave", entry<save>),
      function("sessionRewind", entry<rewind>),
      function("sessionTokens", entry<tokens>),
      function("sessionInfo", entry<info>),
      function("sessionProfile", entry<profile>),
      function("sessionResetProfile", entry<reset_profile>),
      function("sessionCancel", entry<cancel>),
      function("sessionClose", entry<close>),
  };
}

}  // namespace octavo::node
