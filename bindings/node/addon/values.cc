#include "addon/values.h"

#include <cmath>
#include <cstring>

namespace octavo::node {
namespace {

std::string named(std::string_view what, const char* rest) { return std::string(what) + rest; }

/// A typed array's elements, if it is one of this type.
template <typename Element>
bool read_typed_array(napi_env env, napi_value value, napi_typedarray_type wanted,
                      std::span<const Element>& elements) {
  bool is_typed_array = false;
  require_ok(env, napi_is_typedarray(env, value, &is_typed_array));
  if (!is_typed_array) return false;
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  require_ok(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  if (type != wanted) return false;
  elements = {static_cast<const Element*>(data), length};
  return true;
}

napi_value typed_array(napi_env env, napi_typedarray_type type, size_t count, size_t element_size,
                       void** data) {
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  require_ok(env, napi_create_arraybuffer(env, count * element_size, data, &buffer));
  require_ok(env, napi_create_typedarray(env, type, count, buffer, 0, &array));
  return array;
}

template <typename Element>
napi_value copied(napi_env env, napi_typedarray_type type, std::span<const Element> elements) {
  void* data = nullptr;
  const napi_value array = typed_array(env, type, elements.size(), sizeof(Element), &data);
  if (!elements.empty()) std::memcpy(data, elements.data(), elements.size_bytes());
  return array;
}

}  // namespace

napi_value undefined(napi_env env) {
  napi_value result = nullptr;
  require_ok(env, napi_get_undefined(env, &result));
  return result;
}

napi_value null(napi_env env) {
  napi_value result = nullptr;
  require_ok(env, napi_get_null(env, &result));
  return result;
}

napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  require_ok(env, napi_get_boolean(env, value, &result));
  return result;
}

napi_value number(napi_env env, double value) {
  napi_value result = nullptr;
  require_ok(env, napi_create_double(env, value, &result));
  return result;
}

napi_value string(napi_env env, std::string_view text) {
  napi_value result = nullptr;
  require_ok(env, napi_create_string_utf8(env, text.data(), text.size(), &result));
  return result;
}

napi_value object(napi_env env) {
  napi_value result = nullptr;
  require_ok(env, napi_create_object(env, &result));
  return result;
}

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  require_ok(env, napi_set_named_property(env, object, name, value));
}

napi_value int32_array(napi_env env, std::span<const int32_t> ids) {
  return copied(env, napi_int32_array, ids);
}

napi_value float32_array(napi_env env, std::span<const float> values) {
  return copied(env, napi_float32_array, values);
}

napi_value float32_array(napi_env env, size_t size, float** memory) {
  void* data = nullptr;
  const napi_value array = typed_array(env, napi_float32_array, size, sizeof(float), &data);
  *memory = static_cast<float*>(data);
  return array;
}

napi_valuetype type_of(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  require_ok(env, napi_typeof(env, value, &type));
  return type;
}

bool boolean_of(napi_env env, napi_value value, std::string_view what) {
  if (type_of(env, value) != napi_boolean) {
    throw_type_error(env, named(what, " must be true or false"));
  }
  bool result = false;
  require_ok(env, napi_get_value_bool(env, value, &result));
  return result;
}

double number_of(napi_env env, napi_value value, std::string_view what) {
  if (type_of(env, value) != napi_number) throw_type_error(env, named(what, " must be a number"));
  double result = 0;
  require_ok(env, napi_get_value_double(env, value, &result));
  return result;
}

int64_t integer_of(napi_env env, napi_value value, std::string_view what, int64_t least,
                   int64_t most) {
  int64_t result = 0;
  bool is_whole = true;
  if (type_of(env, value) == napi_bigint) {
    require_ok(env, napi_get_value_bigint_int64(env, value, &result, &is_whole));
  } else {
    const double given = number_of(env, value, what);
    is_whole = given == std::trunc(given) && given >= -0x1p63 && given < 0x1p63;
    if (is_whole) result = static_cast<int64_t>(given);
  }
  if (!is_whole) throw_range_error(env, named(what, " must be a whole number of 64 bits"));
  if (result < least || result > most) {
    throw_range_error(env, named(what, " must be from ") + std::to_string(least) + " to " +
                               std::to_string(most) + ", not " + std::to_string(result));
  }
  return result;
}

uint64_t unsigned_of(napi_env env, napi_value value, std::string_view what) {
  uint64_t result = 0;
  bool is_fitting = true;
  if (type_of(env, value) == napi_bigint) {
    require_ok(env, napi_get_value_bigint_uint64(env, value, &result, &is_fitting));
  } else {
    const double given = number_of(env, value, what);
    // Beyond 2^53 a number is not the one that was written.
    is_fitting = given == std::trunc(given) && given >= 0 && given <= 0x1p53;
    if (is_fitting) result = static_cast<uint64_t>(given);
  }
  if (!is_fitting) {
    throw_range_error(env, named(what,
                                 " must be a whole number from 0 to 2 ** 53, or a bigint "
                                 "below 2 ** 64"));
  }
  return result;
}

std::string string_of(napi_env env, napi_value value, std::string_view what) {
  if (type_of(env, value) != napi_string) throw_type_error(env, named(what, " must be a string"));
  size_t size = 0;
  require_ok(env, napi_get_value_string_utf8(env, value, nullptr, 0, &size));
  std::string result(size, '\0');
  require_ok(env, napi_get_value_string_utf8(env, value, result.data(), size + 1, &size));
  return result;
}

std::string c_string_of(napi_env env, napi_value value, std::string_view what) {
  std::string result = string_of(env, value, what);
  if (result.find('\0') != result.npos) {
    throw_type_error(env, named(what, " must not hold a zero character"));
  }
  return result;
}

std::vector<int32_t> ids_of(napi_env env, napi_value value, std::string_view what) {
  std::span<const int32_t> typed;
  if (read_typed_array(env, value, napi_int32_array, typed)) return {typed.begin(), typed.end()};
  std::vector<int32_t> ids;
  for (const napi_value element : elements_of(env, value, what)) {
    ids.push_back(
        static_cast<int32_t>(integer_of(env, element, what, std::numeric_limits<int32_t>::min(),
                                        std::numeric_limits<int32_t>::max())));
  }
  return ids;
}

std::span<const float> floats_of(napi_env env, napi_value value, std::string_view what) {
  std::span<const float> floats;
  if (!read_typed_array(env, value, napi_float32_array, floats)) {
    throw_type_error(env, named(what, " must be a Float32Array"));
  }
  return floats;
}

std::vector<napi_value> elements_of(napi_env env, napi_value value, std::string_view what) {
  bool is_array = false;
  uint32_t length = 0;
  require_ok(env, napi_is_array(env, value, &is_array));
  if (!is_array) throw_type_error(env, named(what, " must be an array"));
  require_ok(env, napi_get_array_length(env, value, &length));
  std::vector<napi_value> elements(length);
  for (uint32_t i = 0; i < length; ++i) {
    require_ok(env, napi_get_element(env, value, i, &elements[i]));
  }
  return elements;
}

}  // namespace octavo::node
