#include "text/grammar/json_schema.h"

#include "core/error.h"
#include "text/grammar/schema_compiler.h"

namespace octavo {
namespace {

constexpr size_t kMaxText = 1 << 20;  ///< bytes of a schema
constexpr int kMaxDepth = 128;        ///< values inside values

SchemaJson parse(std::string_view text) {
  if (text.size() > kMaxText) {
    fail(ErrorCode::kInvalidArgument, "the JSON schema has {} bytes; {} are the most", text.size(),
         kMaxText);
  }
  const SchemaJson::parser_callback_t check = [](int depth, SchemaJson::parse_event_t,
                                                 SchemaJson&) {
    if (depth > kMaxDepth) fail(ErrorCode::kInvalidArgument, "the JSON schema is nested too deep");
    return true;
  };
  try {
    return SchemaJson::parse(text, check);
  } catch (const SchemaJson::parse_error& error) {
    fail(ErrorCode::kInvalidArgument, "the JSON schema is no JSON: fault at byte {}", error.byte);
  } catch (const SchemaJson::exception&) {  // a number that no double holds
    fail(ErrorCode::kInvalidArgument, "the JSON schema is no JSON: a number is too large");
  }
}

}  // namespace

std::string json_schema_to_gbnf(std::string_view schema) {
  const SchemaJson root = parse(schema);
  return SchemaCompiler(root).compile();
}

}  // namespace octavo
