// Values without parts: listed ones, strings and numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "text/grammar/gbnf_writer.h"
#include "text/grammar/json_pattern.h"
#include "text/grammar/schema_compiler.h"
#include "text/grammar/schema_keywords.h"

namespace octavo {
namespace {

/// Whole numbers without bounds stay below this, where every double is exact.
constexpr int64_t kLargest = 999'999'999'999'999;

// RFC 3339, with the days that every year has.
constexpr std::string_view kDate =
    R"([0-9]{4} "-" (("01" | "03" | "05" | "07" | "08" | "10" | "12") "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | ("04" | "06" | "09" | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8])))";
constexpr std::string_view kTime =
    R"(([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,9})? ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]))";
constexpr std::string_view kUuid =
    R"([0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12})";

std::string format_gbnf(const std::string& format, const std::string& where) {
  if (format == "date") return std::string(kDate);
  if (format == "time") return std::string(kTime);
  if (format == "date-time") return fmt::format("{} \"T\" {}", kDate, kTime);
  if (format == "uuid") return std::string(kUuid);
  refuse_schema(where, fmt::format("format '{}' is not supported", format));
}

std::string times(int64_t least, std::optional<int64_t> most) {
  if (!most) return least == 0 ? "*" : fmt::format("{{{},}}", least);
  return fmt::format("{{{},{}}}", least, *most);
}

std::string text_of(const SchemaJson& schema, const char* keyword, const std::string& where) {
  if (!schema.at(keyword).is_string()) {
    fail_schema(where, fmt::format("{} must be a string", keyword));
  }
  return schema.at(keyword);
}

/// A bound, moved by one where it is exclusive; rounded to the inside.
void narrow(const SchemaJson& schema, const char* keyword, const std::string& where, int64_t& least,
            int64_t& most) {
  const auto entry = schema.find(keyword);
  if (entry == schema.end()) return;
  constexpr double kMost = 9e18;
  if (!entry->is_number() || std::abs(entry->get<double>()) > kMost) {
    fail_schema(where, fmt::format("{} must be a number between -9e18 and 9e18", keyword));
  }
  const std::string_view name = keyword;
  const bool is_least = name.find("inimum") != name.npos;
  const bool is_whole = entry->is_number_integer();
  const double value = entry->get<double>();
  int64_t bound = is_whole   ? entry->get<int64_t>()
                  : is_least ? static_cast<int64_t>(std::ceil(value))
                             : static_cast<int64_t>(std::floor(value));
  if (name.starts_with("exclusive") && (is_whole || value == static_cast<double>(bound))) {
    bound += is_least ? 1 : -1;
  }
  if (is_least) {
    least = std::max(least, bound);
  } else {
    most = std::min(most, bound);
  }
}

}  // namespace

std::string SchemaCompiler::listed_values(const SchemaJson& schema, const std::string& where) {
  const std::string other = other_keyword(schema, {"enum", "const", "type"});
  if (!other.empty()) refuse_schema(where, other + " beside enum or const is not supported");
  SchemaJson values = SchemaJson::array();
  if (schema.contains("const")) values.push_back(schema["const"]);
  if (schema.contains("enum")) {
    if (!schema["enum"].is_array()) fail_schema(where, "enum must be a list");
    if (values.empty()) {
      values = schema["enum"];
    } else if (!lists_value(schema["enum"], values[0])) {
      values.clear();
    }
  }
  const std::vector<std::string> types =
      schema.contains("type") ? types_of(schema, where) : std::vector<std::string>();
  std::string all;
  for (const SchemaJson& value : values) {
    const bool fits =
        types.empty() || std::any_of(types.begin(), types.end(), [&value](const std::string& type) {
          return has_type(value, type);
        });
    if (fits) all += (all.empty() ? "" : " | ") + gbnf_literal(value.dump());
  }
  if (all.empty()) fail_schema(where, "no value is valid: enum, const and type exclude all");
  return rule(all);
}

std::string SchemaCompiler::string(const SchemaJson& schema, const std::string& where) {
  const int64_t least = count_of(schema, "minLength", where).value_or(0);
  const std::optional<int64_t> most = count_of(schema, "maxLength", where);
  const bool has_pattern = schema.contains("pattern"), has_format = schema.contains("format");
  const bool has_length = least > 0 || most;
  if (has_pattern + has_format + has_length > 1) {
    refuse_schema(where, "only one of pattern, format and a length is supported");
  }
  if (has_pattern) {
    return rule(
        "\"\\\"\" " +
        pattern_to_gbnf(text_of(schema, "pattern", where), "char", "the JSON schema, " + where) +
        " \"\\\"\"");
  }
  if (has_format) {
    return rule("\"\\\"\" " + format_gbnf(text_of(schema, "format", where), where) + " \"\\\"\"");
  }
  if (!has_length) return "string";
  if (most && *most < least) fail_schema(where, "maxLength is less than minLength");
  return rule("\"\\\"\" char" + times(least, most) + " \"\\\"\"");
}

std::string SchemaCompiler::integer(const SchemaJson& schema, const std::string& where) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  int64_t least = -kNone, most = kNone;
  for (const char* keyword : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}) {
    narrow(schema, keyword, where, least, most);
  }
  if (least == -kNone && most == kNone) return "integer";
  // Where one side is open, as far as numbers without bounds go, or a little further.
  if (least == -kNone) least = std::min(-kLargest, most - 1'000);
  if (most == kNone) most = std::max(kLargest, least + 1'000);
  if (most < least) fail_schema(where, "no whole number is between the bounds");
  return rule(gbnf_integers(least, most));
}

std::string SchemaCompiler::number(const SchemaJson& schema, const std::string& where) {
  for (const char* keyword : {"maximum", "exclusiveMinimum", "exclusiveMaximum"}) {
    if (!schema.contains(keyword)) continue;
    refuse_schema(where,
                  fmt::format("{} of a number is not supported; of an integer it is", keyword));
  }
  const auto least = schema.find("minimum");
  if (least == schema.end()) return "number";
  if (!least->is_number()) fail_schema(where, "minimum must be a number");
  if (*least != 0) {
    refuse_schema(where,
                  "a minimum of a number other than 0 is not supported; of an integer it is");
  }
  return "not-negative";
}

}  // namespace octavo
