#include "support/json_validator.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>
#include <stdexcept>

namespace octavo::test {
namespace {

using nlohmann::json;

const std::set<std::string> kKnown = {"type",
                                      "enum",
                                      "const",
                                      "properties",
                                      "required",
                                      "additionalProperties",
                                      "items",
                                      "minItems",
                                      "maxItems",
                                      "minLength",
                                      "maxLength",
                                      "prefixItems",
                                      "pattern",
                                      "format",
                                      "minimum",
                                      "maximum",
                                      "anyOf",
                                      "oneOf",
                                      "allOf",
                                      "$ref",
                                      "$defs",
                                      "title",
                                      "description",
                                      "definitions",
                                      "exclusiveMinimum",
                                      "exclusiveMaximum",
                                      "$schema",
                                      "default"};

bool is_type(const json& value, const std::string& type) {
  if (type == "integer") {
    return value.is_number() && value.get<double>() == std::floor(value.get<double>());
  }
  if (type == "number") return value.is_number();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  return type == "null" && value.is_null();
}

size_t characters(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool is_date(const std::string& text) {
  std::smatch parts;
  if (!std::regex_match(text, parts, std::regex("(\\d{4})-(\\d\\d)-(\\d\\d)"))) return false;
  const int year = std::stoi(parts[1]), month = std::stoi(parts[2]), day = std::stoi(parts[3]);
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool is_time(const std::string& text) {
  static const std::regex kTime(
      "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d+)?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)");
  return std::regex_match(text, kTime);
}

bool has_format(const std::string& text, const std::string& format) {
  if (format == "date") return is_date(text);
  if (format == "time") return is_time(text);
  if (format == "date-time") {
    return text.size() > 11 && text[10] == 'T' && is_date(text.substr(0, 10)) &&
           is_time(text.substr(11));
  }
  static const std::regex kUuid("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  if (format == "uuid") return std::regex_match(text, kUuid);
  throw std::runtime_error("format " + format);
}

std::string string_fault(const std::string& text, const json& schema) {
  const size_t length = characters(text);
  if (length < schema.value("minLength", size_t{0})) return "too short";
  if (length > schema.value("maxLength", length)) return "too long";
  if (schema.contains("pattern") &&
      !std::regex_search(text, std::regex(schema["pattern"].get<std::string>()))) {
    return "not of the pattern";
  }
  if (schema.contains("format") && !has_format(text, schema["format"])) return "not of the format";
  return {};
}

std::string number_fault(const json& value, const json& schema) {
  // long double holds every int64_t.
  const auto number = [](const json& n) {
    return n.is_number_integer() ? static_cast<long double>(n.get<int64_t>())
                                 : static_cast<long double>(n.get<double>());
  };
  const long double x = number(value);
  if (schema.contains("minimum") && x < number(schema["minimum"])) return "too small";
  if (schema.contains("maximum") && x > number(schema["maximum"])) return "too large";
  if (schema.contains("exclusiveMinimum") && x <= number(schema["exclusiveMinimum"])) {
    return "too small";
  }
  if (schema.contains("exclusiveMaximum") && x >= number(schema["exclusiveMaximum"])) {
    return "too large";
  }
  return {};
}

std::string array_fault(const json& value, const json& schema, const json& root) {
  if (value.size() < schema.value("minItems", size_t{0})) return "too few items";
  if (value.size() > schema.value("maxItems", value.size())) return "too many items";
  const json prefix = schema.value("prefixItems", json::array());
  for (size_t i = 0; i < value.size(); ++i) {
    const json item = i < prefix.size() ? prefix[i] : schema.value("items", json(true));
    const std::string why = why_invalid(value[i], item, root);
    if (!why.empty()) return "[" + std::to_string(i) + "]: " + why;
  }
  return {};
}

std::string object_fault(const json& value, const json& schema, const json& root) {
  for (const json& name : schema.value("required", json::array())) {
    if (!value.contains(name.get<std::string>())) return "without " + name.dump();
  }
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, member] : value.items()) {
    const json one = properties.contains(name) ? properties[name]
                                               : schema.value("additionalProperties", json(true));
    const std::string why = why_invalid(member, one, root);
    if (!why.empty()) return name + ": " + why;
  }
  return {};
}

/// How many of a list of schemas the value is valid by.
size_t valid_by(const json& value, const json& list, const json& root) {
  return static_cast<size_t>(std::count_if(list.begin(), list.end(), [&](const json& schema) {
    return why_invalid(value, schema, root).empty();
  }));
}

std::string combined_fault(const json& value, const json& schema, const json& root) {
  if (schema.contains("anyOf") && valid_by(value, schema["anyOf"], root) == 0)
    return "none of anyOf";
  if (schema.contains("oneOf") && valid_by(value, schema["oneOf"], root) != 1)
    return "not one of oneOf";
  if (schema.contains("allOf") &&
      valid_by(value, schema["allOf"], root) != schema["allOf"].size()) {
    return "not all of allOf";
  }
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end()) {
    return "none of enum";
  }
  if (schema.contains("const") && schema["const"] != value) return "not the const";
  return {};
}

}  // namespace

std::string why_invalid(const json& value, const json& schema, const json& root) {
  if (schema.is_boolean()) return schema.get<bool>() ? "" : "nothing is valid";
  for (const auto& [keyword, unused] : schema.items()) {
    if (!kKnown.contains(keyword)) throw std::runtime_error("keyword " + keyword);
  }
  if (schema.contains("$ref")) {
    const std::string pointer = schema["$ref"];
    return why_invalid(value, root.at(json::json_pointer(pointer.substr(1))), root);
  }
  if (schema.contains("type")) {
    const json types = schema["type"].is_array() ? schema["type"] : json::array({schema["type"]});
    if (std::none_of(types.begin(), types.end(),
                     [&value](const json& type) { return is_type(value, type); })) {
      return value.dump() + " is no " + types.dump();
    }
  }
  std::string why = combined_fault(value, schema, root);
  if (why.empty() && value.is_string()) why = string_fault(value, schema);
  if (why.empty() && value.is_number()) why = number_fault(value, schema);
  if (why.empty() && value.is_array()) why = array_fault(value, schema, root);
  if (why.empty() && value.is_object()) why = object_fault(value, schema, root);
  return why;
}

}  // namespace octavo::test
