#include "addon/sampler.h"

#include "addon/model.h"
#include "addon/options.h"
#include "addon/values.h"

namespace octavo::node {
namespace {

struct Sampler {
  static constexpr napi_type_tag kTag = {0x6f637461766f0004, 0x5ad90c1e7733b2e6};
  static constexpr const char* kName = "sampler";

  explicit Sampler(octavo_sampler* made) : handle(made) {}
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  ~Sampler() { octavo_sampler_free(handle); }
  void forgotten() {}

  octavo_sampler* handle;  ///< null: closed
};

octavo_sampler* sampler_of(napi_env env, const Arguments& arguments) {
  octavo_sampler* const handle = unwrap<Sampler>(env, arguments[0])->handle;
  if (handle == nullptr) throw Failure{OCTAVO_INVALID_HANDLE, "the sampler is closed"};
  return handle;
}

/// samplerCreate(model or undefined, options)
napi_value create(napi_env env, const Arguments& arguments) {
  Options<octavo_sampling_options> options;
  read_options(env, arguments[1], options);
  octavo_sampler* handle = nullptr;
  if (type_of(env, arguments[0]) == napi_undefined) {
    require_ok(octavo_sampler_create(&options.values, &handle));
  } else {
    require_ok(
        octavo_sampler_create_for_model(model_of(env, arguments[0]), &options.values, &handle));
  }
  return wrap(env, std::make_shared<Sampler>(handle));
}

napi_value accept(napi_env env, const Arguments& arguments) {
  octavo_sampler* const handle = sampler_of(env, arguments);
  for (const int32_t id : ids_of(env, arguments[1], "ids")) {
    require_ok(octavo_sampler_accept(handle, id));
  }
  return undefined(env);
}

napi_value continue_text(napi_env env, const Arguments& arguments) {
  require_ok(octavo_sampler_continue_text(sampler_of(env, arguments)));
  return undefined(env);
}

napi_value finished(napi_env env, const Arguments& arguments) {
  int32_t is_finished = 0;
  require_ok(octavo_sampler_finished(sampler_of(env, arguments), &is_finished));
  return boolean(env, is_finished != 0);
}

napi_value sample(napi_env env, const Arguments& arguments) {
  octavo_sampler* const handle = sampler_of(env, arguments);
  const std::span<const float> logits = floats_of(env, arguments[1], "logits");
  int32_t id = -1;
  require_ok(octavo_sampler_sample(handle, logits.data(), logits.size(), &id));
  return number(env, id);
}

napi_value close(napi_env env, const Arguments& arguments) {
  const auto sampler = unwrap<Sampler>(env, arguments[0]);
  octavo_sampler_free(sampler->handle);
  sampler->handle = nullptr;
  return undefined(env);
}

/// logprobs(logits, id, count): of id, then of the `count` most likely
napi_value logprobs(napi_env env, const Arguments& arguments) {
  const std::span<const float> logits = floats_of(env, arguments[0], "logits");
  const int64_t most = std::numeric_limits<int32_t>::max();
  const auto id = static_cast<int32_t>(integer_of(env, arguments[1], "id", 0, most));
  const int64_t count = integer_of(env, arguments[2], "count", 0, std::ssize(logits));
  std::vector<octavo_token_logprob> out(static_cast<size_t>(count) + 1);
  require_ok(octavo_logprobs(logits.data(), logits.size(), id, out.data(), out.size()));
  napi_value result = nullptr;
  require_ok(env, napi_create_array_with_length(env, out.size(), &result));
  for (uint32_t i = 0; i < out.size(); ++i) {
    const napi_value token = object(env);
    set(env, token, "id", number(env, out[i].id));
    set(env, token, "logprob", number(env, out[i].logprob));
    require_ok(env, napi_set_element(env, result, i, token));
  }
  return result;
}

}  // namespace

std::vector<napi_property_descriptor> sampler_functions() {
  return {
      function("samplerCreate", entry<create>),
      function("samplerAccept", entry<accept>),
      function("samplerContinueText", entry<continue_text>),
      function("samplerFinished", entry<finished>),
      function("samplerSample", entry<sample>),
      function("samplerClose", entry<close>),
      function("logprobs", entry<logprobs>),
  };
}

}  // namespace octavo::node
