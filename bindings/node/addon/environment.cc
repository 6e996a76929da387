#include "addon/environment.h"

#include <exception>
#include <optional>

#include "addon/failure.h"
#include "addon/session.h"
#include "addon/values.h"

namespace octavo::node {
namespace {

std::optional<Failure> attempt(const std::function<void()>& compute) {
  try {
    compute();
    return std::nullopt;
  } catch (const Failure& failure) {
    return failure;
  } catch (const std::bad_alloc&) {
    return Failure{OCTAVO_OUT_OF_MEMORY, "out of memory"};
  } catch (const std::exception& error) {
    return Failure{OCTAVO_INTERNAL, error.what()};
  }
}

}  // namespace

std::shared_ptr<Environment>& Environment::shared(napi_env env) {
  void* data = nullptr;
  require_ok(env, napi_get_instance_data(env, &data));
  return *static_cast<std::shared_ptr<Environment>*>(data);
}

void Environment::create(napi_env env) {
  auto owner = std::make_unique<std::shared_ptr<Environment>>(std::make_shared<Environment>(env));
  const auto forget = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<Environment>*>(data);
  };
  // Hooks run backwards: the threads end before the event loop's function, made above, is gone.
  const auto end = [](void* environment) { static_cast<Environment*>(environment)->shut_down(); };
  require_ok(env, napi_add_env_cleanup_hook(env, end, owner->get()));
  require_ok(env, napi_set_instance_data(env, owner.get(), forget, nullptr));
  static_cast<void>(owner.release());
}

void Environment::set_error_class(napi_env env, napi_value error_class) {
  if (type_of(env, error_class) != napi_function) {
    throw_type_error(env, "the class of errors must be a function");
  }
  if (error_class_ != nullptr) napi_delete_reference(env, error_class_);
  require_ok(env, napi_create_reference(env, error_class, 1, &error_class_));
}

napi_value Environment::error_class(napi_env env) const {
  napi_value result = nullptr;
  if (error_class_ != nullptr) {
    require_ok(env, napi_get_reference_value(env, error_class_, &result));
  }
  if (result == nullptr) throw_type_error(env, "the class of errors was not set");
  return result;
}

void Environment::shut_down() {
  for (Session* session : sessions_) session->cancel();
  for (Session* session : sessions_) session->worker().stop();
  file_reader_.stop();
  loop_.close();
}

void settle(napi_env env, napi_deferred deferred,
            const std::function<napi_value(napi_env)>& result) {
  napi_value error = nullptr;
  try {
    try {
      require_ok(env, napi_resolve_deferred(env, deferred, result(env)));
      return;
    } catch (const Failure& failure) {
      error = make_error(env, failure);
    }
  } catch (const PendingException&) {
    napi_get_and_clear_last_exception(env, &error);
  }
  napi_reject_deferred(env, deferred, error);
}

napi_value promise_of(napi_env env, Worker& worker, std::function<void()> compute,
                      std::function<napi_value(napi_env)> result,
                      std::function<void(napi_env)> finish) {
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  require_ok(env, napi_create_promise(env, &deferred, &promise));
  EventLoop& loop = Environment::of(env).loop();
  loop.hold();
  worker.run([&loop, deferred, compute = std::move(compute), result = std::move(result),
              finish = std::move(finish)]() mutable {
    std::optional<Failure> failure = attempt(compute);
    compute = nullptr;
    loop.post([&loop, deferred, failure = std::move(failure), result = std::move(result),
               finish = std::move(finish)](napi_env given) {
      loop.release();
      if (finish) finish(given);
      settle(given, deferred, [&](napi_env now) {
        if (failure) throw *failure;
        return result(now);
      });
    });
  });
  return promise;
}

}  // namespace octavo::node
