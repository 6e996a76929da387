// Typed entries of a JSON object. Errors name the object and the entry.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace octavo {

class JsonFields {
 public:
  /// `where` stands in messages. Keeps a reference to `object`. Throws Error(kFormat) when it is
  /// no object.
  JsonFields(const nlohmann::json& object, std::string where);

  /// Present and not null.
  bool has(const char* key) const;
  /// Each throws Error(kFormat) when the entry is missing or of another type.
  int64_t integer(const char* key) const;
  double number(const char* key) const;
  bool boolean(const char* key) const;
  std::string string(const char* key) const;
  const nlohmann::json& array(const char* key) const;

  /// The same with a value for an absent or null entry.
  int64_t integer_or(const char* key, int64_t fallback) const;
  double number_or(const char* key, double fallback) const;
  bool boolean_or(const char* key, bool fallback) const;

 private:
  const nlohmann::json& entry(const char* key) const;
  [[noreturn]] void mistyped(const char* key, const char* expected) const;

  const nlohmann::json& object_;
  std::string where_;
};

/// Parses `text`. Throws Error(kFormat) with the place of the fault.
nlohmann::json parse_json(std::string_view text, const std::string& where);

}  // namespace octavo
