// Values of JavaScript and of C++, one made from the other, with checks.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "addon/failure.h"

namespace octavo::node {

napi_value undefined(napi_env env);
napi_value null(napi_env env);
napi_value boolean(napi_env env, bool value);
napi_value number(napi_env env, double value);
napi_value string(napi_env env, std::string_view text);
napi_value object(napi_env env);
void set(napi_env env, napi_value object, const char* name, napi_value value);
/// Int32Array [ids] and Float32Array [values], copied.
napi_value int32_array(napi_env env, std::span<const int32_t> ids);
napi_value float32_array(napi_env env, std::span<const float> values);
/// A Float32Array of zeros whose memory stays where it is as long as it is referred to.
napi_value float32_array(napi_env env, size_t size, float** memory);

// `what` names the value in the TypeError or RangeError of one that is something else.
napi_valuetype type_of(napi_env env, napi_value value);
bool boolean_of(napi_env env, napi_value value, std::string_view what);
double number_of(napi_env env, napi_value value, std::string_view what);
/// A number or a bigint.
int64_t integer_of(napi_env env, napi_value value, std::string_view what,
                   int64_t least = std::numeric_limits<int64_t>::min(),
                   int64_t most = std::numeric_limits<int64_t>::max());
uint64_t unsigned_of(napi_env env, napi_value value, std::string_view what);
std::string string_of(napi_env env, napi_value value, std::string_view what);
/// For C: one that holds a zero is refused.
std::string c_string_of(napi_env env, napi_value value, std::string_view what);
/// An Int32Array, or an array of whole numbers.
std::vector<int32_t> ids_of(napi_env env, napi_value value, std::string_view what);
/// A Float32Array; valid while the call from JavaScript goes on.
std::span<const float> floats_of(napi_env env, napi_value value, std::string_view what);
/// The elements of an array.
std::vector<napi_value> elements_of(napi_env env, napi_value value, std::string_view what);

/// What a function was called with; what was left out is undefined.
class Arguments {
 public:
  static constexpr size_t kMost = 8;
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = kMost;
    require_ok(env, napi_get_cb_info(env, info, &count, values_, nullptr, nullptr));
  }
  napi_value operator[](size_t index) const { return values_[index]; }

 private:
  napi_value values_[kMost] = {};
};

/// Runs a function of the addon for JavaScript: what it throws becomes an exception there.
template <napi_value (*kFunction)(napi_env, const Arguments&)>
napi_value entry(napi_env env, napi_callback_info info) {
  try {
    try {
      return kFunction(env, Arguments(env, info));
    } catch (const Failure& failure) {
      napi_throw(env, make_error(env, failure));
    } catch (const std::bad_alloc&) {
      napi_throw(env, make_error(env, {OCTAVO_OUT_OF_MEMORY, "out of memory"}));
    }
  } catch (const PendingException&) {  // NOLINT(bugprone-empty-catch): JavaScript sees it
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

inline napi_property_descriptor function(const char* name, napi_callback callback) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

/// Gives JavaScript an object that owns a share of `held`. Object::kTag tells classes apart.
template <typename Object>
napi_value wrap(napi_env env, std::shared_ptr<Object> held) {
  const napi_value wrapper = object(env);
  require_ok(env, napi_type_tag_object(env, wrapper, &Object::kTag));
  auto owner = std::make_unique<std::shared_ptr<Object>>(std::move(held));
  const auto finalize = [](napi_env, void* data, void*) {
    const std::unique_ptr<std::shared_ptr<Object>> last(
        static_cast<std::shared_ptr<Object>*>(data));
    (*last)->forgotten();
  };
  require_ok(env, napi_wrap(env, wrapper, owner.get(), finalize, nullptr, nullptr));
  static_cast<void>(owner.release());
  return wrapper;
}

template <typename Object>
std::shared_ptr<Object> unwrap(napi_env env, napi_value value) {
  bool is_one = false;
  void* data = nullptr;
  if (type_of(env, value) == napi_object &&
      napi_check_object_type_tag(env, value, &Object::kTag, &is_one) == napi_ok && is_one) {
    require_ok(env, napi_unwrap(env, value, &data));
    return *static_cast<std::shared_ptr<Object>*>(data);
  }
  throw_type_error(env, std::string("this is no ") + Object::kName);
}

}  // namespace octavo::node
