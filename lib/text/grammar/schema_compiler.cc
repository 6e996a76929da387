#include "text/grammar/schema_compiler.h"

#include <algorithm>

#include "text/grammar/schema_keywords.h"

namespace octavo {
namespace {

constexpr int kMaxRules = 50'000;
constexpr size_t kMaxOneOf = 200;  ///< alternatives, each compared with each
constexpr int kMaxDepth = 100;     ///< schemas inside schemas, with those behind references

/// Rules that every schema may use. Numbers stay within what a double holds, characters are never
/// halves of surrogate pairs, and blanks between values come to an end.
constexpr std::string_view kCommonRules = R"(
space ::= (" " | "\n" [ ]{0,20})?
char ::= [^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))
plain-char ::= [^"\\\x00-\x1F\x7F]
string ::= "\"" char* "\""
integer ::= "-"? ("0" | [1-9] [0-9]{0,14})
number ::= integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?
not-negative ::= ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
member ::= string ":" space value
object ::= "{" space (member ("," space member)* space)? "}"
array ::= "[" space (value ("," space value)* space)? "]"
value ::= object | array | string | number | boolean | "null"
)";

/// '%41' of a URI fragment.
std::string percent_decoded(const std::string& text, const std::string& where) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const std::string digits = text.substr(i + 1, 2);
    if (digits.size() < 2 || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos) {
      fail_schema(where, "$ref with a '%' that is no escape");
    }
    result += static_cast<char>(std::stoi(digits, nullptr, 16));
    i += 2;
  }
  return result;
}

}  // namespace

std::string SchemaCompiler::compile() {
  const std::string root = schema(root_, "#");
  return "root ::= " + root + "\n" + rules_ + std::string(kCommonRules);
}

std::string SchemaCompiler::new_name() {
  if (++rule_count_ > kMaxRules) fail_schema("#", "the schema is too large");
  return fmt::format("r{}", rule_count_);
}

void SchemaCompiler::define(const std::string& name, const std::string& body) {
  rules_ += name + " ::= " + body + "\n";
}

std::string SchemaCompiler::rule(const std::string& body) {
  std::string name = new_name();
  define(name, body);
  return name;
}

std::string SchemaCompiler::schema(const SchemaJson& schema, const std::string& where) {
  if (schema.is_boolean()) {
    if (!schema.get<bool>()) fail_schema(where, "false: no value is valid");
    return "value";
  }
  if (!schema.is_object()) fail_schema(where, "a schema must be an object, true or false");
  if (++depth_ > kMaxDepth) fail_schema(where, "schemas are nested too deep");
  std::string result = object_schema(schema, where);
  --depth_;
  return result;
}

std::string SchemaCompiler::object_schema(const SchemaJson& schema, const std::string& where) {
  refuse_unsupported(schema, where);
  if (schema.contains("$ref")) return reference(schema, where);
  if (schema.contains("allOf")) return this->schema(merged(schema, where), where);
  for (const char* keyword : {"anyOf", "oneOf"}) {
    if (schema.contains(keyword)) return alternatives(schema, keyword, where);
  }
  if (schema.contains("enum") || schema.contains("const")) return listed_values(schema, where);
  const std::vector<std::string> types = types_of(schema, where);
  if (types.empty()) return "value";
  std::string all;
  for (const std::string& type : types) {
    all += (all.empty() ? "" : " | ") + typed(schema, type, where);
  }
  return types.size() == 1 ? all : rule(all);
}

std::string SchemaCompiler::typed(const SchemaJson& schema, const std::string& type,
                                  const std::string& where) {
  if (type == "object") return object(schema, where);
  if (type == "array") return array(schema, where);
  if (type == "string") return string(schema, where);
  if (type == "integer") return integer(schema, where);
  if (type == "number") return number(schema, where);
  return type == "boolean" ? "boolean" : "\"null\"";
}

const SchemaJson& SchemaCompiler::target(const std::string& pointer, const std::string& where) {
  if (pointer != "#" && !pointer.starts_with("#/")) {
    refuse_schema(where,
                  fmt::format("$ref '{}': only places in the schema itself (#/...)", pointer));
  }
  try {
    return root_.at(SchemaJson::json_pointer(percent_decoded(pointer.substr(1), where)));
  } catch (const SchemaJson::exception&) {
    fail_schema(where, fmt::format("$ref '{}': there is no such place", pointer));
  }
}

const SchemaJson& SchemaCompiler::resolved(const SchemaJson& schema, const std::string& where) {
  const SchemaJson* at = &schema;
  for (int steps = 0; at->is_object() && at->contains("$ref"); ++steps) {
    if (steps > kMaxDepth) fail_schema(where, "$ref leads back to itself");
    const SchemaJson& pointer = at->at("$ref");
    if (!pointer.is_string()) fail_schema(where, "$ref must be a string");
    const std::string other = other_keyword(*at, {"$ref"});
    if (!other.empty()) refuse_schema(where, other + " beside $ref is not supported");
    at = &target(pointer, where);
  }
  return *at;
}

std::string SchemaCompiler::reference(const SchemaJson& schema, const std::string& where) {
  const SchemaJson& text = schema.at("$ref");
  if (!text.is_string()) fail_schema(where, "$ref must be a string");
  const std::string other = other_keyword(schema, {"$ref"});
  if (!other.empty()) refuse_schema(where, other + " beside $ref is not supported");
  const std::string pointer = text;
  if (std::find(direct_.begin(), direct_.end(), pointer) != direct_.end()) {
    fail_schema(where, fmt::format("$ref '{}' leads back to itself", pointer));
  }
  const auto known = references_.find(pointer);
  if (known != references_.end()) return known->second;
  const SchemaJson& there = target(pointer, where);
  std::string name = new_name();
  references_[pointer] = name;
  direct_.push_back(pointer);
  define(name, this->schema(there, pointer));
  direct_.pop_back();
  return name;
}

std::string SchemaCompiler::alternatives(const SchemaJson& schema, const std::string& keyword,
                                         const std::string& where) {
  const SchemaJson& list = schema.at(keyword);
  if (!list.is_array() || list.empty()) fail_schema(where, keyword + " must be a list of schemas");
  const std::string other = other_keyword(schema, {keyword, "type"});
  if (!other.empty()) refuse_schema(where, other + " beside " + keyword + " is not supported");
  if (keyword == "oneOf" && list.size() > kMaxOneOf) {
    refuse_schema(where, fmt::format("oneOf of more than {} is not supported", kMaxOneOf));
  }
  std::string all;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{}/{}/{}", where, keyword, i);
    SchemaJson one = list[i];
    if (schema.contains("type")) {
      const bool fits = one.is_object() &&
                        (!one.contains("type") || one["type"] == schema["type"]) &&
                        !one.contains("$ref");
      if (!fits) refuse_schema(place, "another type beside " + keyword + " is not supported");
      one["type"] = schema["type"];
    }
    for (size_t j = 0; keyword == "oneOf" && j < i; ++j) {
      if (disjoint(list[j], list[i], where, 0)) continue;
      refuse_schema(where, fmt::format("oneOf: {} and {} may both hold; say anyOf, or make them "
                                       "differ in type, const or enum",
                                       j, i));
    }
    all += (all.empty() ? "" : " | ") + this->schema(one, place);
  }
  return rule(all);
}

}  // namespace octavo
