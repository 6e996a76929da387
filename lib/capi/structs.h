// Structs and buffers that cross the boundary.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capi/status.h"
#include "octavo/octavo.hpp"

namespace octavo::capi {

/// Throws Failure unless it is the size of this struct or of an older, shorter one. Fields come and
/// go by 8 bytes, so that no padding at an old end becomes a field later.
void check_struct_size(size_t size, size_t known);

/// What the caller gave, and defaults for the fields that he does not know.
template <class Struct>
Struct read_struct(const Struct* given, Struct defaults) {
  static_assert(sizeof(Struct) % 8 == 0);
  if (given == nullptr) return defaults;
  check_struct_size(given->struct_size, sizeof(Struct));
  std::memcpy(&defaults, given, given->struct_size);
  return defaults;
}

/// The fields that a caller with this struct_size knows.
template <class Struct>
void write_struct(Struct* target, size_t struct_size, Struct value) {
  static_assert(sizeof(Struct) % 8 == 0);
  check_struct_size(struct_size, sizeof(Struct));
  value.struct_size = struct_size;
  std::memcpy(target, &value, struct_size);
}

/// What an _init function does.
template <class Struct>
octavo_status init(Struct* options, size_t struct_size, const Struct& defaults) {
  return guarded([&] {
    require(options, "options");
    write_struct(options, struct_size, defaults);
  });
}

// All throw Failure for NULL (unless there are none), and for more than there can be.
void check_count(const void* array, size_t count, const char* name);
template <class Value>
std::span<const Value> array_of(const Value* values, size_t count, const char* name) {
  check_count(values, count, name);
  return count == 0 ? std::span<const Value>() : std::span(values, count);
}
std::span<const int32_t> ids_of(const int32_t* ids, size_t count);
std::string_view text_of(const char* text, size_t size);
const char* string_of(const char* string, const char* name);
const char* path_of(const char* path);
std::vector<std::string> strings_of(const char* const* strings, size_t count, const char* name);

/// Throws Failure for another value than 0 and 1.
bool flag_of(int64_t value, const char* name);

/// The caller's buffer gets `values` and `end` behind them, which do not count; *needed is told in
/// any case. A NULL buffer of no capacity only asks.
template <class Value>
void copy_out(std::span<const Value> values, std::span<const Value> end, Value* target,
              size_t capacity, size_t* needed) {
  if (needed != nullptr) *needed = values.size();
  if (target == nullptr && capacity == 0) return require(needed, "the count");
  require(target, "the buffer");
  if (capacity < values.size() + end.size()) {
    throw Failure{OCTAVO_BUFFER_TOO_SMALL,
                  "the buffer has room for " + std::to_string(capacity) + ", of the " +
                      std::to_string(values.size() + end.size()) + " that it takes"};
  }
  std::copy(end.begin(), end.end(), std::copy(values.begin(), values.end(), target));
}

/// OCTAVO_CACHE_... of a type.
int32_t cache_number(CacheType type);

// Options, as the library has them.
octavo_model_options model_defaults();
ModelOptions model_options(const octavo_model_options* given);
ChatOptions chat_options(const octavo_chat_options* given);
std::vector<ChatMessage> messages_of(const octavo_chat_message* messages, size_t count);
octavo_session_options session_defaults();
SessionOptions session_options(const octavo_session_options* given);
octavo_sampling_options sampling_defaults();
SamplingOptions sampling_options(const octavo_sampling_options* given);
octavo_generate_options generate_defaults();
GenerateOptions generate_options(const octavo_generate_options* given);

}  // namespace octavo::capi
