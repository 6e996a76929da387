// JSON Schema to grammars: what they accept, and what is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octavo/error.hpp"
#include "support/grammar_match.h"
#include "support/json_validator.h"
#include "support/random.h"
#include "text/grammar/gbnf_writer.h"
#include "text/grammar/json_schema.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

bool accepts(const std::string& schema, const std::string& text) {
  return matches(json_schema_to_gbnf(schema), text);
}

void expect_accepts(const std::string& schema, const std::vector<std::string>& good,
                    const std::vector<std::string>& bad) {
  const auto json_schema = nlohmann::json::parse(schema);
  for (const std::string& text : good) {
    EXPECT_TRUE(accepts(schema, text)) << schema << " should take " << text;
    EXPECT_EQ(why_invalid(nlohmann::json::parse(text), json_schema, json_schema), "") << text;
  }
  for (const std::string& text : bad) {
    EXPECT_FALSE(accepts(schema, text)) << schema << " should not take " << text;
  }
}

TEST(JsonSchema, Types) {
  expect_accepts("true", {"{}", "[1, {\"a\": [null]}]", "\"x\"", "-1.5e3", "true"},
                 {"", "{", "01"});
  expect_accepts(R"({"type": "null"})", {"null"}, {"nul", "true"});
  expect_accepts(R"({"type": "boolean"})", {"true", "false"}, {"0"});
  expect_accepts(R"({"type": "integer"})", {"0", "-12", "999999999999999"},
                 {"1.0", "01", "+1", "-"});
  expect_accepts(R"({"type": "number"})", {"0", "-12.50", "1e5", "2E-10"},
                 {"1.", ".5", "1e999", "NaN"});
  expect_accepts(R"({"type": "number", "minimum": 0})", {"0", "0.5"}, {"-1"});
  expect_accepts(R"({"type": ["string", "null"], "maxLength": 1})", {"null", "\"a\"", "\"\""},
                 {"\"ab\"", "1"});
}

TEST(JsonSchema, Strings) {
  expect_accepts(R"({"type": "string"})", {"\"\"", "\"日本 \\n\\u00e9\\\"\\\\\"", "\"\\uD7ff\""},
                 {"\"\n\"", "\"\\x\"", "\"\\ud800\"", "\"", "'a'"});
  expect_accepts(R"({"type": "string", "minLength": 2, "maxLength": 3})",
                 {"\"ab\"", "\"日本語\"", "\"\\n\\t\""}, {"\"a\"", "\"abcd\""});
  expect_accepts(R"({"type": "string", "minLength": 2})", {"\"abcdefgh\""}, {"\"a\""});
  expect_accepts(R"({"type": "string", "format": "date"})", {"\"2024-12-31\"", "\"2023-02-28\""},
                 {"\"2023-02-30\"", "\"2023-13-01\"", "\"2023-04-31\"", "\"2023-00-10\""});
  expect_accepts(R"({"type": "string", "format": "time"})",
                 {"\"23:59:59Z\"", "\"00:00:00.25+05:30\""}, {"\"24:00:00Z\"", "\"12:00:00\""});
  expect_accepts(R"({"type": "string", "format": "date-time"})", {"\"2024-01-01T10:00:00Z\""},
                 {"\"2024-01-01 10:00:00Z\""});
  expect_accepts(R"({"type": "string", "format": "uuid"})",
                 {"\"12345678-1234-1234-1234-123456789abc\""}, {"\"12345678\""});
}

TEST(JsonSchema, Patterns) {
  const auto pattern = [](const std::string& expression) {
    return nlohmann::json({{"type", "string"}, {"pattern", expression}}).dump();
  };
  expect_accepts(pattern("^[A-Z]{2,3}-\\d+$"), {"\"AB-1\"", "\"ABC-007\""}, {"\"A-1\"", "\"AB-\""});
  expect_accepts(pattern("^(foo|ba(r|z))?$"), {"\"\"", "\"foo\"", "\"baz\""}, {"\"ba\""});
  expect_accepts(pattern("^(?:a|b)+x*?\\.\\/$"), {"\"abxx./\"", "\"a./\""}, {"\"./\""});
  expect_accepts(pattern("b"), {"\"abc\"", "\"b\""}, {"\"ac\""});
  expect_accepts(pattern("^a|b$"), {"\"ax\"", "\"xb\""}, {"\"xa\""});
  expect_accepts(pattern("^[^a\\d]$"), {"\"b\"", "\"\\\"\"", "\"\\\\\""},
                 {"\"a\"", "\"1\"", "\"\n\"", "\"\"\""});
  EXPECT_TRUE(accepts(pattern("^[^a\\d]$"), "\"é\""));
  expect_accepts(pattern("^\\w\\s[\\w-]\\n$"), {"\"a -\\u000a\""}, {"\"a-\""});
  expect_accepts(pattern("^\\u0041\\x42$"), {"\"AB\""}, {"\"ab\""});
  for (const char* refused : {"(?=a)", "a(?!b)", "\\1", "\\bx", "\\p{L}", "a{,3}", "x(", "a)", "[a",
                              "^a$b", "(^a)", "(a$)", "+", "[z-a]", "\\u12", "[^\\s\\S]"}) {
    EXPECT_THROW(accepts(pattern(refused), ""), Error) << refused;
  }
}

TEST(JsonSchema, IntegersBetweenBounds) {
  Random random(8);
  for (int round = 0; round < 60; ++round) {
    int64_t least = random.below(2500) - 1250, most = random.below(2500) - 1250;
    if (most < least) std::swap(least, most);
    const auto grammar = compiled("root ::= " + gbnf_integers(least, most));
    for (int64_t n = least - 1200; n <= most + 1200; n += 1 + random.below(7)) {
      GrammarMatcher matcher(grammar);
      const auto state = state_after(matcher, std::to_string(n));
      const bool taken = state != GrammarMatcher::kDead && matcher.may_end(state);
      ASSERT_EQ(taken, n >= least && n <= most) << n << " in " << least << " to " << most;
    }
  }
  expect_accepts(R"({"type": "integer", "minimum": 1.5, "exclusiveMaximum": 4})", {"2", "3"},
                 {"1", "4", "-2", "02"});
  expect_accepts(R"({"type": "integer", "exclusiveMinimum": -3, "maximum": -1})", {"-2", "-1"},
                 {"-3", "0", "-0"});
  expect_accepts(R"({"type": "integer", "minimum": 9000000000000000000})", {"9000000000000001000"},
                 {"8999999999999999999"});
  expect_accepts(R"({"type": "integer", "maximum": 0})", {"0", "-77"}, {"1"});
}

TEST(JsonSchema, ListedValues) {
  expect_accepts(R"({"enum": ["a\"b", 1, null, {"x": [1]}]})",
                 {"\"a\\\"b\"", "1", "null", "{\"x\":[1]}"}, {"2", "\"a\""});
  expect_accepts(R"({"const": "é\n"})", {"\"é\\n\""}, {"\"e\""});
  expect_accepts(R"({"type": "string", "enum": ["a", 1]})", {"\"a\""}, {"1"});
  expect_accepts(R"({"const": 1, "enum": [1, 2]})", {"1"}, {"2"});
}

TEST(JsonSchema, Arrays) {
  expect_accepts(R"({"type": "array"})", {"[]", "[1, \"a\"]", "[\n  1,\n  2\n]"}, {"[1,]", "[,1]"});
  expect_accepts(R"({"items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
                 {"[1]", "[1,2,3]"}, {"[]", "[1,2,3,4]", "[\"a\"]"});
  expect_accepts(R"({"items": {"type": "integer"}, "maxItems": 0})", {"[]", "[ ]"}, {"[1]"});
  expect_accepts(R"({"items": {"type": "integer"}, "maxItems": 1})", {"[]", "[1]"}, {"[1,1]"});
  expect_accepts(R"({"items": false})", {"[]"}, {"[1]"});
  const std::string pair = R"("prefixItems": [{"type": "integer"}, {"type": "string"}])";
  expect_accepts("{" + pair + "}", {"[1, \"a\"]"}, {"[1, \"a\", 2]", "[\"a\", 1]"});
  expect_accepts("{" + pair + R"(, "items": {"type": "null"}, "minItems": 3, "maxItems": 4})",
                 {"[1, \"a\", null]", "[1, \"a\", null, null]"},
                 {"[1, \"a\"]", "[1,\"a\",null,null,null]"});
  expect_accepts("{" + pair + R"(, "maxItems": 1})", {"[1]"}, {"[1, \"a\"]"});
}

TEST(JsonSchema, Objects) {
  const std::string abc =
      R"("properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": {"const": true}})";
  expect_accepts(
      "{" + abc + R"(, "required": ["b"]})",
      {R"({"b":null})", R"({"a":1,"b":null})", R"({ "b": null, "c": true })",
       "{\n  \"a\": 1,\n  \"b\": null,\n  \"c\": true\n}"},
      {"{}", R"({"a":1})", R"({"b":null,"a":1})", R"({"b":null,"d":1})", R"({"b":null,})"});
  expect_accepts("{" + abc + "}", {"{}", R"({"a":1,"c":true})", R"({"c":true})"},
                 {R"({,"c":true})"});
  expect_accepts(R"({"type": "object"})", {"{}", R"({"x": {"y": []}})"}, {"[]", "{x:1}"});
  expect_accepts(R"({"type": "object", "additionalProperties": false})", {"{}"}, {R"({"a":1})"});
  expect_accepts(R"({"required": ["z"]})", {R"({"z":[1]})"}, {"{}"});
  expect_accepts(R"({"properties": {"na\"me": {"const": 1}}, "required": ["na\"me"]})",
                 {R"({"na\"me":1})"}, {"{}"});
}

TEST(JsonSchema, OtherPropertiesAreNotTheKnownOnes) {
  const std::string schema = R"({"properties": {"ab": {"type": "integer"}, "a": {"type": "integer"},
      "é": {"type": "integer"}}, "additionalProperties": {"type": "string"}})";
  expect_accepts(schema,
                 {R"({"ab":1,"a":2})", R"({"ab":1,"x":"s","y":"t"})", R"({"abc":"s"})",
                  R"({"ac":"s"})", R"({"b":"s","":"t"})", R"({"éa":"s"})"},
                 {R"({"a":"s"})", R"({"ab":"s"})", R"({"é":"s"})", R"({"\u0061":"s"})",
                  R"({"x":1})", R"({"x":"s","ab":1})"});
  expect_accepts(R"({"additionalProperties": {"type": "null"}, "required": ["r"]})",
                 {R"({"r":null,"s":null})"}, {"{}", R"({"r":1})"});
}

TEST(JsonSchema, Combinations) {
  expect_accepts(R"({"anyOf": [{"type": "integer"}, {"const": "x"}]})", {"1", "\"x\""}, {"\"y\""});
  expect_accepts(R"({"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})",
                 {"1", "\"y\""}, {"\"yy\""});
  expect_accepts(R"({"type": "string", "anyOf": [{"enum": ["a"]}, {"format": "date"}]})",
                 {"\"a\"", "\"2000-01-01\""}, {"1"});
  expect_accepts(R"({"oneOf": [
      {"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind"]},
      {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]})",
                 {R"({"kind":"a","x":1})", R"({"kind":"b"})"}, {R"({"kind":"b","x":1})"});
  expect_accepts(
      R"({"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"y": {"const": 2}}, "required": ["y"]}],
      "properties": {"z": {"const": 3}},
      "$defs": {"a": {"type": "object", "properties": {"x": {"const": 1}}, "required": ["x"]}}})",
      {R"({"z":3,"x":1,"y":2})", R"({"x":1,"y":2})"}, {R"({"x":1})"});
  expect_accepts(R"({"allOf": [{"type": "integer", "minimum": 5}], "title": "t"})", {"5"}, {"4"});
}

TEST(JsonSchema, References) {
  const std::string tree = R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object",
      "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
      "required": ["value"]}}})";
  expect_accepts(tree, {R"({"value":1})", R"({"value":1,"next":{"value":2,"next":null}})"},
                 {R"({"value":1,"next":2})"});
  expect_accepts(R"({"items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[1]"});
  const std::string named =
      R"({"$ref": "#/definitions/a~1b%20c", "definitions": {"a/b c": {"const": 1}}})";
  EXPECT_TRUE(accepts(named, "1"));
  EXPECT_FALSE(accepts(named, "2"));
}

TEST(JsonSchema, AnnotationsAreIgnored) {
  expect_accepts(R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T",
      "description": "D", "default": 1, "type": "null"})",
                 {"null"}, {"1"});
  EXPECT_TRUE(
      accepts(R"({"type": "null", "x-order": 3, "examples": [1], "$comment": "c"})", "null"));
}

TEST(JsonSchema, WhatIsNotSupportedIsNamed) {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"not": {}})", "#: not is not supported"},
      {R"({"properties": {"a": {"if": {}}}})", "#/properties/a: if is not supported"},
      {R"({"patternProperties": {}})", "patternProperties"},
      {R"({"type": "array", "uniqueItems": true})", "uniqueItems"},
      {R"({"type": "number", "multipleOf": 2})", "multipleOf"},
      {R"({"type": "number", "maximum": 2})", "maximum of a number"},
      {R"({"type": "number", "minimum": 2})", "minimum of a number other than 0"},
      {R"({"type": "string", "format": "email"})", "format 'email'"},
      {R"({"type": "string", "pattern": "a", "maxLength": 2})", "only one of pattern"},
      {R"({"$ref": "other.json"})", "$ref 'other.json'"},
      {R"({"$ref": "#/a", "type": "null", "a": {}})", "type beside $ref"},
      {R"({"enum": [1], "minimum": 1})", "minimum beside enum"},
      {R"({"anyOf": [{}], "properties": {}})", "properties beside anyOf"},
      {R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})", "0 and 1 may both hold"},
      {R"({"oneOf": [{"const": {"a": 1, "b": 2}}, {"const": {"b": 2, "a": 1}}]})", "may both hold"},
      {R"({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]})", "may both hold"},
      {R"({"allOf": [{"type": "string"}, {"maxLength": 3}]})", "allOf"},
      {R"({"allOf": [{"properties": {"a": {}}}, {"additionalProperties": false}]})",
       "additionalProperties"},
      {R"({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"a": {"const": 2}}}]})",
       "property 'a'"},
      {R"({"items": [{}]})", "prefixItems"},
      {R"({"minProperties": 1})", "minProperties"},
  };
  for (const auto& [schema, message] : refused) {
    try {
      json_schema_to_gbnf(schema);
      ADD_FAILURE() << "accepted " << schema;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << schema;
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
}

TEST(JsonSchema, FaultsAreNamed) {
  const std::pair<const char*, const char*> faults[] = {
      {"{", "fault at byte"},
      {"[]", "must be an object, true or false"},
      {"1e999", "number is too large"},
      {"false", "no value is valid"},
      {R"({"type": "strin"})", "\"strin\" is no type"},
      {R"({"type": []})", "empty list"},
      {R"({"enum": []})", "no value is valid"},
      {R"({"const": 1, "type": "string"})", "no value is valid"},
      {R"({"minLength": 3, "maxLength": 2})", "maxLength is less than minLength"},
      {R"({"minItems": -1})", "minItems must be a whole number"},
      {R"({"items": false, "minItems": 1})", "minItems is more"},
      {R"({"type": "integer", "minimum": 3, "maximum": 2})", "between the bounds"},
      {R"({"type": "integer", "exclusiveMinimum": true})", "must be a number"},
      {R"({"required": "a"})", "required must be a list"},
      {R"({"properties": [], "type": "object"})", "properties must be an object"},
      {R"({"required": ["a"], "additionalProperties": false})", "'a' is required"},
      {R"({"anyOf": []})", "anyOf must be a list"},
      {R"({"$ref": "#/$defs/no"})", "no such place"},
      {R"({"$ref": "#/%4"})", "'%'"},
      {R"({"$ref": "#"})", "leads back to itself"},
      {R"({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"type": "null"}, {"allOf": [{"$ref": "#/$defs/a"}]}]}}})",
       "leads back to itself"},
  };
  for (const auto& [schema, message] : faults) {
    try {
      json_schema_to_gbnf(schema);
      ADD_FAILURE() << "accepted " << schema;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << schema;
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  EXPECT_THROW(json_schema_to_gbnf("{\"const\": " + deep + "}"), Error);
}

}  // namespace
}  // namespace octavo::test
