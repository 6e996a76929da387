// What may stand in a schema, and reading it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "text/grammar/schema_compiler.h"

namespace octavo {

/// Throws Error(kInvalidArgument) "the JSON schema, WHERE: WHAT".
[[noreturn]] void fail_schema(const std::string& where, const std::string& what);
/// The same with Error(kUnsupported).
[[noreturn]] void refuse_schema(const std::string& where, const std::string& what);

/// Throws for keywords that would restrict what is valid and are not supported.
void refuse_unsupported(const SchemaJson& schema, const std::string& where);
/// The first keyword that restricts what is valid, apart from `allowed`; empty: there is none.
std::string other_keyword(const SchemaJson& schema,
                          std::initializer_list<std::string_view> allowed);

/// A whole number of 0 or more.
std::optional<int64_t> count_of(const SchemaJson& schema, const char* keyword,
                                const std::string& where);
/// The types that the schema names or, without a name, that its keywords speak of; empty: any.
std::vector<std::string> types_of(const SchemaJson& schema, const std::string& where);
/// Equal as JSON values: the order of an object's members does not count.
bool lists_value(const SchemaJson& list, const SchemaJson& value);
bool has_type(const SchemaJson& value, const std::string& type);
std::vector<std::string> required_of(const SchemaJson& schema, const std::string& where);
/// An object, empty when the keyword is missing.
SchemaJson properties_of(const SchemaJson& schema, const std::string& where);

}  // namespace octavo
