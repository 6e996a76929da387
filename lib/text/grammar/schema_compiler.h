// One schema on its way to a grammar; see json_schema.h.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo {

using SchemaJson = nlohmann::ordered_json;  // properties are written in the schema's order

/// `where` in all functions: the schema's place, "#/properties/name".
class SchemaCompiler {
 public:
  /// The schema must outlive the compiler.
  explicit SchemaCompiler(const SchemaJson& root) : root_(root) {}
  /// GBNF. Throws as json_schema_to_gbnf.
  std::string compile();

 private:
  // Each gives the name of a rule, or a part of GBNF that stands for itself.
  std::string schema(const SchemaJson& schema, const std::string& where);
  std::string object_schema(const SchemaJson& schema, const std::string& where);
  std::string reference(const SchemaJson& schema, const std::string& where);
  std::string alternatives(const SchemaJson& schema, const std::string& keyword,
                           const std::string& where);
  std::string listed_values(const SchemaJson& schema, const std::string& where);
  std::string typed(const SchemaJson& schema, const std::string& type, const std::string& where);
  std::string string(const SchemaJson& schema, const std::string& where);
  std::string integer(const SchemaJson& schema, const std::string& where);
  std::string number(const SchemaJson& schema, const std::string& where);
  std::string array(const SchemaJson& schema, const std::string& where);
  std::string object(const SchemaJson& schema, const std::string& where);
  std::string members(const std::vector<std::pair<std::string, bool>>& known,
                      const std::string& other);
  std::string other_key(const std::set<std::string>& names, const std::string& where);

  /// The object that all schemas of allOf (and what stands beside it) describe together.
  SchemaJson merged(const SchemaJson& schema, const std::string& where);
  void add_part(const SchemaJson& part, const std::string& where, int& count, SchemaJson& all);

  /// No value matches both, as far as can be seen.
  bool disjoint(const SchemaJson& a, const SchemaJson& b, const std::string& where, int depth);
  /// Follows $ref; `where` is for messages.
  const SchemaJson& resolved(const SchemaJson& schema, const std::string& where);
  const SchemaJson& target(const std::string& pointer, const std::string& where);

  /// A rule with this body; its name.
  std::string rule(const std::string& body);
  void define(const std::string& name, const std::string& body);
  std::string new_name();

  const SchemaJson& root_;
  std::string rules_;
  int rule_count_ = 0;
  int depth_ = 0;
  std::map<std::string, std::string> references_;  ///< pointer to rule
  std::vector<std::string> direct_;  ///< pointers followed since a character was last written
};

}  // namespace octavo
