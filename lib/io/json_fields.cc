#include "io/json_fields.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace octavo {

using nlohmann::json;

JsonFields::JsonFields(const json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object_.is_object()) fail(ErrorCode::kFormat, "{}: not a JSON object", where_);
}

bool JsonFields::has(const char* key) const {
  const auto found = object_.find(key);
  return found != object_.end() && !found->is_null();
}

const json& JsonFields::entry(const char* key) const {
  const auto found = object_.find(key);
  if (found == object_.end()) fail(ErrorCode::kFormat, "{}: \"{}\" is missing", where_, key);
  return *found;
}

void JsonFields::mistyped(const char* key, const char* expected) const {
  fail(ErrorCode::kFormat, "{}: \"{}\" is {}, expected {}", where_, key, entry(key).type_name(),
       expected);
}

int64_t JsonFields::integer(const char* key) const {
  const json& value = entry(key);
  if (!value.is_number_integer()) mistyped(key, "an integer");
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    fail(ErrorCode::kFormat, "{}: \"{}\" is out of range", where_, key);
  }
  return value.get<int64_t>();
}

double JsonFields::number(const char* key) const {
  const json& value = entry(key);
  if (!value.is_number()) mistyped(key, "a number");
  const double number = value.get<double>();
  if (!std::isfinite(number)) fail(ErrorCode::kFormat, "{}: \"{}\" is out of range", where_, key);
  return number;
}

bool JsonFields::boolean(const char* key) const {
  const json& value = entry(key);
  if (!value.is_boolean()) mistyped(key, "true or false");
  return value.get<bool>();
}

std::string JsonFields::string(const char* key) const {
  const json& value = entry(key);
  if (!value.is_string()) mistyped(key, "a string");
  return value.get<std::string>();
}

const json& JsonFields::array(const char* key) const {
  const json& value = entry(key);
  if (!value.is_array()) mistyped(key, "an array");
  return value;
}

int64_t JsonFields::integer_or(const char* key, int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

double JsonFields::number_or(const char* key, double fallback) const {
  return has(key) ? number(key) : fallback;
}

bool JsonFields::boolean_or(const char* key, bool fallback) const {
  return has(key) ? boolean(key) : fallback;
}

json parse_json(std::string_view text, const std::string& where) {
  // The parser's own message repeats the input, of any length and with any bytes.
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    fail(ErrorCode::kFormat, "{}: damaged JSON near byte {}", where, error.byte);
  } catch (const json::exception&) {  // a number that no double holds
    fail(ErrorCode::kFormat, "{}: JSON with a value out of range", where);
  }
}

}  // namespace octavo
