// Typed entries of a GGUF file's metadata. Errors name the entry.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "convert/gguf.h"

namespace octavo {

class GgufMetadata {
 public:
  /// Keeps a reference to `header`, whose values are views into the file.
  explicit GgufMetadata(const GgufHeader& header) : header_(header) {}

  bool has(std::string_view key) const;
  /// Present and a single text.
  bool is_text(std::string_view key) const;
  /// Each throws Error(kFormat) when the entry is missing or of another type. Integers of any
  /// width; numbers may be integers too.
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  std::string_view text(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<float> numbers(std::string_view key) const;
  std::vector<std::string_view> texts(std::string_view key) const;
  /// Elements of an array of texts, without reading them.
  int64_t count_of_texts(std::string_view key) const;

  /// The same with a value for an absent entry.
  int64_t integer_or(std::string_view key, int64_t fallback) const;
  double number_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string_view text_or(std::string_view key, std::string_view fallback) const;

 private:
  const GgufValue& entry(std::string_view key) const;
  const GgufValue& single(std::string_view key, const char* expected) const;
  const GgufValue& array(std::string_view key, const char* expected) const;

  const GgufHeader& header_;
};

}  // namespace octavo
