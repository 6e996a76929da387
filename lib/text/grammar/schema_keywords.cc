#include "text/grammar/schema_keywords.h"

#include <algorithm>
#include <array>

namespace octavo {
namespace {

constexpr std::array<std::string_view, 21> kSupported = {
    "type",    "enum",     "const",           "properties", "required",  "additionalProperties",
    "items",   "minItems", "maxItems",        "minLength",  "maxLength", "prefixItems",
    "pattern", "format",   "minimum",         "maximum",    "anyOf",     "oneOf",
    "allOf",   "$ref",     "exclusiveMinimum"};

/// Restrict what is valid. Whatever else stands in a schema is an annotation.
constexpr std::array<std::string_view, 22> kUnsupported = {"not",
                                                           "if",
                                                           "then",
                                                           "else",
                                                           "patternProperties",
                                                           "propertyNames",
                                                           "minProperties",
                                                           "maxProperties",
                                                           "dependencies",
                                                           "dependentRequired",
                                                           "dependentSchemas",
                                                           "unevaluatedProperties",
                                                           "unevaluatedItems",
                                                           "additionalItems",
                                                           "contains",
                                                           "minContains",
                                                           "maxContains",
                                                           "multipleOf",
                                                           "$dynamicRef",
                                                           "$recursiveRef",
                                                           "extends",
                                                           "disallow"};

bool restricts(std::string_view keyword) {
  return std::find(kSupported.begin(), kSupported.end(), keyword) != kSupported.end() ||
         keyword == "exclusiveMaximum" || keyword == "uniqueItems";
}

struct Implied {
  const char* keyword;
  const char* type;
};

constexpr Implied kImplied[] = {
    {"properties", "object"}, {"required", "object"},         {"additionalProperties", "object"},
    {"items", "array"},       {"prefixItems", "array"},       {"minItems", "array"},
    {"maxItems", "array"},    {"minLength", "string"},        {"maxLength", "string"},
    {"pattern", "string"},    {"format", "string"},           {"minimum", "number"},
    {"maximum", "number"},    {"exclusiveMinimum", "number"}, {"exclusiveMaximum", "number"}};

}  // namespace

void fail_schema(const std::string& where, const std::string& what) {
  fail(ErrorCode::kInvalidArgument, "the JSON schema, {}: {}", where, what);
}

void refuse_schema(const std::string& where, const std::string& what) {
  fail(ErrorCode::kUnsupported, "the JSON schema, {}: {}", where, what);
}

void refuse_unsupported(const SchemaJson& schema, const std::string& where) {
  for (const std::string_view keyword : kUnsupported) {
    if (schema.contains(std::string(keyword))) {
      refuse_schema(where, fmt::format("{} is not supported", keyword));
    }
  }
  const auto unique = schema.find("uniqueItems");
  if (unique != schema.end() && *unique != false) {
    refuse_schema(where, "uniqueItems is not supported");
  }
}

std::string other_keyword(const SchemaJson& schema,
                          std::initializer_list<std::string_view> allowed) {
  for (const auto& entry : schema.items()) {
    if (!restricts(entry.key()) || entry.key() == "uniqueItems") continue;
    if (std::find(allowed.begin(), allowed.end(), entry.key()) == allowed.end()) return entry.key();
  }
  return {};
}

std::optional<int64_t> count_of(const SchemaJson& schema, const char* keyword,
                                const std::string& where) {
  const auto entry = schema.find(keyword);
  if (entry == schema.end()) return {};
  constexpr double kMost = 1e9;
  if (!entry->is_number() || entry->get<double>() < 0 || entry->get<double>() > kMost ||
      entry->get<double>() != static_cast<double>(entry->get<int64_t>())) {
    fail_schema(where, fmt::format("{} must be a whole number from 0 to 1e9", keyword));
  }
  return entry->get<int64_t>();
}

std::vector<std::string> types_of(const SchemaJson& schema, const std::string& where) {
  std::vector<std::string> types;
  const auto entry = schema.find("type");
  if (entry == schema.end()) {
    for (const Implied& implied : kImplied) {
      if (schema.contains(implied.keyword)) return {implied.type};
    }
    return {};
  }
  const SchemaJson list = entry->is_array() ? *entry : SchemaJson::array({*entry});
  for (const SchemaJson& type : list) {
    constexpr std::array<std::string_view, 7> kTypes = {"object",  "array",   "string", "number",
                                                        "integer", "boolean", "null"};
    if (!type.is_string() || std::find(kTypes.begin(), kTypes.end(),
                                       type.get_ref<const std::string&>()) == kTypes.end()) {
      fail_schema(where, fmt::format("{} is no type", type.dump()));
    }
    types.push_back(type);
  }
  if (types.empty()) fail_schema(where, "type is an empty list");
  return types;
}

bool lists_value(const SchemaJson& list, const SchemaJson& value) {
  const nlohmann::json wanted = value;
  return std::any_of(list.begin(), list.end(),
                     [&wanted](const SchemaJson& one) { return nlohmann::json(one) == wanted; });
}

bool has_type(const SchemaJson& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  return value.is_number_integer();
}

std::vector<std::string> required_of(const SchemaJson& schema, const std::string& where) {
  const auto entry = schema.find("required");
  if (entry == schema.end()) return {};
  std::vector<std::string> names;
  if (entry->is_array()) {
    for (const SchemaJson& name : *entry) {
      if (name.is_string()) names.push_back(name);
    }
  }
  if (!entry->is_array() || names.size() != entry->size()) {
    fail_schema(where, "required must be a list of names");
  }
  return names;
}

SchemaJson properties_of(const SchemaJson& schema, const std::string& where) {
  const auto entry = schema.find("properties");
  if (entry == schema.end()) return SchemaJson::object();
  if (!entry->is_object()) fail_schema(where, "properties must be an object");
  return *entry;
}

}  // namespace octavo
