// allOf, and whether the alternatives of oneOf exclude each other.
#include <fmt/format.h>

#include <algorithm>

#include "text/grammar/schema_compiler.h"
#include "text/grammar/schema_keywords.h"

namespace octavo {
namespace {

constexpr int kMaxParts = 1000;       ///< of one allOf, with those of its parts
constexpr int kMaxDisjointDepth = 3;  ///< properties of properties that are compared

/// The values that a schema lists; null when it lists none.
SchemaJson listed(const SchemaJson& schema) {
  if (schema.contains("const")) return SchemaJson::array({schema["const"]});
  if (schema.contains("enum") && schema["enum"].is_array()) return schema["enum"];
  return nullptr;
}

bool lists_allow(const SchemaJson& list, const std::vector<std::string>& types) {
  return std::any_of(list.begin(), list.end(), [&types](const SchemaJson& value) {
    return std::any_of(types.begin(), types.end(),
                       [&value](const std::string& type) { return has_type(value, type); });
  });
}

bool share_type(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const auto number = [](const std::string& type) { return type == "integer" ? "number" : type; };
  return std::any_of(a.begin(), a.end(), [&](const std::string& one) {
    return std::any_of(b.begin(), b.end(),
                       [&](const std::string& other) { return number(one) == number(other); });
  });
}

/// Only what the schema says; what its keywords speak of is no restriction.
std::vector<std::string> stated_types(const SchemaJson& schema, const std::string& where) {
  return schema.contains("type") ? types_of(schema, where) : std::vector<std::string>();
}

bool has_name(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

SchemaJson SchemaCompiler::merged(const SchemaJson& schema, const std::string& where) {
  SchemaJson beside = schema;
  const SchemaJson& list = schema["allOf"];
  if (!list.is_array() || list.empty()) fail_schema(where, "allOf must be a list of schemas");
  beside.erase("allOf");
  if (list.size() == 1 && other_keyword(beside, {}).empty()) return list[0];
  SchemaJson all = {
      {"type", "object"}, {"properties", SchemaJson::object()}, {"required", SchemaJson::array()}};
  int count = 0;
  add_part(schema, where, count, all);
  return all;
}

void SchemaCompiler::add_part(const SchemaJson& part, const std::string& where, int& count,
                              SchemaJson& all) {
  if (++count > kMaxParts) fail_schema(where, "allOf has too many parts");
  const SchemaJson& schema = resolved(part, where);
  if (!schema.is_object()) refuse_schema(where, "allOf of true or false is not supported");
  refuse_unsupported(schema, where);
  const std::string other =
      other_keyword(schema, {"type", "properties", "required", "additionalProperties", "allOf"});
  if (!other.empty()) refuse_schema(where, other + " in or beside allOf is not supported");
  if (schema.contains("type") && schema["type"] != "object") {
    refuse_schema(where, "allOf of other types than object is not supported");
  }
  if (schema.contains("additionalProperties") && schema["additionalProperties"] != true) {
    refuse_schema(where, "additionalProperties in or beside allOf is not supported");
  }
  const SchemaJson properties = properties_of(schema, where);
  for (const auto& [name, value] : properties.items()) {
    SchemaJson& known = all["properties"];
    if (known.contains(name) && known[name] != value) {
      refuse_schema(where,
                    fmt::format("property '{}' in two parts of allOf is not supported", name));
    }
    known[name] = value;
  }
  for (const std::string& name : required_of(schema, where)) all["required"].push_back(name);
  const auto parts = schema.find("allOf");
  if (parts == schema.end()) return;
  if (!parts->is_array()) fail_schema(where, "allOf must be a list of schemas");
  for (size_t i = 0; i < parts->size(); ++i) {
    add_part((*parts)[i], fmt::format("{}/allOf/{}", where, i), count, all);
  }
}

bool SchemaCompiler::disjoint(const SchemaJson& first, const SchemaJson& second,
                              const std::string& where, int depth) {
  const SchemaJson& a = resolved(first, where);
  const SchemaJson& b = resolved(second, where);
  if (!a.is_object() || !b.is_object() || depth > kMaxDisjointDepth) return false;
  const std::vector<std::string> a_types = stated_types(a, where), b_types = stated_types(b, where);
  if (!a_types.empty() && !b_types.empty() && !share_type(a_types, b_types)) return true;
  const SchemaJson a_list = listed(a), b_list = listed(b);
  if (!a_list.is_null() && !b_list.is_null()) {
    return std::none_of(a_list.begin(), a_list.end(),
                        [&b_list](const SchemaJson& value) { return lists_value(b_list, value); });
  }
  if (!a_list.is_null() && !b_types.empty()) return !lists_allow(a_list, b_types);
  if (!b_list.is_null() && !a_types.empty()) return !lists_allow(b_list, a_types);
  const std::vector<std::string> object = {"object"};
  if (a_types != object || b_types != object) return false;

  // Objects: a property that both must have tells them apart, or one that the other cannot have.
  const SchemaJson a_properties = properties_of(a, where), b_properties = properties_of(b, where);
  const std::vector<std::string> a_required = required_of(a, where),
                                 b_required = required_of(b, where);
  const auto cannot_have = [](const SchemaJson& schema, const SchemaJson& properties,
                              const std::string& name) {
    const auto additional = schema.find("additionalProperties");
    return additional != schema.end() && *additional == false && !properties.contains(name);
  };
  const auto differs = [&](const std::string& name) {
    if (cannot_have(b, b_properties, name)) return true;
    return has_name(b_required, name) && a_properties.contains(name) &&
           b_properties.contains(name) &&
           disjoint(a_properties[name], b_properties[name], where, depth + 1);
  };
  return std::any_of(a_required.begin(), a_required.end(), differs) ||
         std::any_of(b_required.begin(), b_required.end(),
                     [&](const std::string& name) { return cannot_have(a, a_properties, name); });
}

}  // namespace octavo
