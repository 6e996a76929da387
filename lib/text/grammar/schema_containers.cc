// Arrays and objects.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/grammar/gbnf_writer.h"
#include "text/grammar/schema_compiler.h"
#include "text/grammar/schema_keywords.h"

namespace octavo {
namespace {

constexpr int64_t kNoLimit = -1;

/// `item`, `least` to `most` times, each with a comma in front.
std::string with_commas(const std::string& item, int64_t least, int64_t most) {
  if (most == 0) return {};
  const std::string bounds =
      most == kNoLimit ? fmt::format("{{{},}}", least) : fmt::format("{{{},{}}}", least, most);
  return fmt::format(" (\",\" space {}){}", item, bounds);
}

/// Names as a tree of characters: what follows after each, and whether a name ends here.
struct NameTree {
  std::map<uint32_t, NameTree> next;
  bool is_end = false;
};

}  // namespace

std::string SchemaCompiler::array(const SchemaJson& schema, const std::string& where) {
  const std::vector<std::string> outside = std::exchange(direct_, {});  // '[' comes first
  std::vector<std::string> first;
  const auto prefix = schema.find("prefixItems");
  if (prefix != schema.end()) {
    if (!prefix->is_array()) fail_schema(where, "prefixItems must be a list of schemas");
    for (size_t i = 0; i < prefix->size(); ++i) {
      first.push_back(this->schema((*prefix)[i], fmt::format("{}/prefixItems/{}", where, i)));
    }
  }
  const int64_t least = count_of(schema, "minItems", where).value_or(0);
  int64_t most = count_of(schema, "maxItems", where).value_or(kNoLimit);
  if (most != kNoLimit && most < least) fail_schema(where, "maxItems is less than minItems");
  const auto listed = static_cast<int64_t>(first.size());
  const auto items = schema.find("items");
  if (items != schema.end() && items->is_array()) {
    refuse_schema(where, "items as a list is not supported; it is called prefixItems now");
  }
  const bool is_closed = items != schema.end() && *items == false;
  if (is_closed && least > listed) fail_schema(where, "minItems is more than there may be");
  // Behind listed items come others only if the schema speaks of them.
  if (is_closed || (items == schema.end() && listed > 0)) {
    most = most == kNoLimit ? std::max(least, listed) : std::min(most, std::max(least, listed));
  }
  std::string item = "value";
  if (items != schema.end() && !is_closed) item = this->schema(*items, where + "/items");
  direct_ = outside;

  if (most == 0) return rule("\"[\" space \"]\"");
  if (first.empty()) {
    const std::string some = item + with_commas(item, std::max<int64_t>(least - 1, 0),
                                                most == kNoLimit ? most : most - 1);
    return rule(least > 0 ? "\"[\" space " + some + " space \"]\""
                          : "\"[\" space (" + some + " space)? \"]\"");
  }
  if (most != kNoLimit && most < listed) first.resize(static_cast<size_t>(most));
  const auto written = static_cast<int64_t>(first.size());
  std::string all = first.front();
  for (size_t i = 1; i < first.size(); ++i) all += " \",\" space " + first[i];
  all += with_commas(item, std::max<int64_t>(least - written, 0),
                     most == kNoLimit ? most : most - written);
  return rule("\"[\" space " + all + " space \"]\"");
}

std::string SchemaCompiler::object(const SchemaJson& schema, const std::string& where) {
  const std::vector<std::string> outside = std::exchange(direct_, {});  // '{' comes first
  SchemaJson properties = properties_of(schema, where);
  const std::vector<std::string> required = required_of(schema, where);
  const auto additional = schema.find("additionalProperties");
  const bool is_open = additional != schema.end() && *additional != false;
  const bool is_closed = additional != schema.end() && *additional == false;
  for (const std::string& name : required) {
    if (properties.contains(name)) continue;
    if (is_closed) fail_schema(where, fmt::format("'{}' is required, but not a property", name));
    properties[name] = is_open ? *additional : SchemaJson(true);
  }
  if (properties.empty() && additional == schema.end()) {
    direct_ = outside;
    return "object";
  }
  std::vector<std::pair<std::string, bool>> members;  // a rule, whether it must be there
  std::set<std::string> names;
  for (const auto& [name, value] : properties.items()) {
    const bool must = std::find(required.begin(), required.end(), name) != required.end();
    names.insert(name);
    if (value == false && !must) continue;
    const std::string key = gbnf_literal(SchemaJson(name).dump() + ":");
    const std::string place = fmt::format("{}/properties/{}", where, name);
    members.emplace_back(rule(key + " space " + this->schema(value, place)), must);
  }
  std::string other;
  if (is_open) {
    const std::string value = this->schema(*additional, where + "/additionalProperties");
    other = rule(other_key(names, where) + " \":\" space " + value);
  }
  direct_ = outside;
  return this->members(members, other);
}

/// `known` in their order, then any number of `other` (empty: none).
std::string SchemaCompiler::members(const std::vector<std::pair<std::string, bool>>& known,
                                    const std::string& other) {
  // What may follow from each member on: behind another, which takes a comma, or as the first.
  std::string behind = other.empty() ? "\"\"" : rule("(\",\" space " + other + ")*");
  std::string first = other.empty() ? "" : rule(other + " " + behind);
  bool may_be_empty = true;
  for (auto member = known.rbegin(); member != known.rend(); ++member) {
    const auto& [name, must] = *member;
    std::string as_first = name + " " + behind;
    if (!must && !first.empty()) as_first += " | " + first;
    first = rule(as_first);
    behind = rule(fmt::format("(\",\" space {}){} {}", name, must ? "" : "?", behind));
    may_be_empty = may_be_empty && !must;
  }
  if (first.empty()) return rule("\"{\" space \"}\"");
  return rule(may_be_empty ? "\"{\" space (" + first + " space)? \"}\""
                           : "\"{\" space " + first + " space \"}\"");
}

/// A key that is none of `names`. Without escapes, so that each key is spelled in one way.
std::string SchemaCompiler::other_key(const std::set<std::string>& names,
                                      const std::string& where) {
  constexpr size_t kMaxName = 500;  // the tree is walked by recursion
  NameTree root;
  for (const std::string& name : names) {
    if (name.size() > kMaxName) {
      refuse_schema(where, "so long a name beside additionalProperties is not supported");
    }
    NameTree* at = &root;
    std::string_view rest = name;
    while (const auto code_point = take_character(rest)) at = &at->next[*code_point];
    at->is_end = true;
  }
  const CodePointSet plain =
      complement(make_set({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}, {0x7F, 0x7F}}));
  const std::function<std::string(const NameTree&)> rest_of = [&](const NameTree& tree) {
    std::vector<CodePointRange> taken;
    std::string body;
    for (const auto& [code_point, next] : tree.next) {
      if (!contains(plain, code_point)) continue;  // cannot be written without an escape
      taken.push_back({code_point, code_point});
      body += gbnf_class({{code_point, code_point}}) + " " + rest_of(next) + " | ";
    }
    body += gbnf_class(difference(plain, make_set(std::move(taken)))) + " plain-char*";
    return rule(tree.is_end ? body : "(" + body + ")?");
  };
  return "\"\\\"\" " + rest_of(root) + " \"\\\"\"";
}

}  // namespace octavo
