#include "capi/structs.h"

#include <array>

namespace octavo::capi {
namespace {

/// At the place of its number: OCTAVO_CACHE_...
constexpr std::array kCacheTypes = {CacheType::kAuto, CacheType::kF32, CacheType::kF16,
                                    CacheType::kBF16, CacheType::kQ8_0};
constexpr std::array kSpeculations = {Speculation::kAuto, Speculation::kOff, Speculation::kOn};

template <class Value, size_t kCount>
Value value_at(const std::array<Value, kCount>& values, int64_t number, const char* name) {
  if (number >= 0 && number < static_cast<int64_t>(kCount)) {
    return values[static_cast<size_t>(number)];
  }
  throw Failure{OCTAVO_INVALID_ARGUMENT,
                std::string(name) + " must be one of its constants, 0 to " +
                    std::to_string(kCount - 1) + ", not " + std::to_string(number)};
}

int logprobs_of(int64_t value) {
  if (value >= -1 && value <= std::numeric_limits<int>::max()) return static_cast<int>(value);
  throw Failure{OCTAVO_INVALID_ARGUMENT,
                "logprobs must be -1 (none), 0 (of the token) or a count of alternatives, not " +
                    std::to_string(value)};
}

int threads_of(int64_t value) {
  if (value >= 0 && value <= std::numeric_limits<int>::max()) return static_cast<int>(value);
  throw Failure{OCTAVO_INVALID_ARGUMENT, "threads must be 0 (all) or more"};
}

}  // namespace

void check_struct_size(size_t size, size_t known) {
  if (size >= sizeof(size_t) && size <= known && size % 8 == 0) return;
  throw Failure{OCTAVO_INVALID_ARGUMENT, "struct_size is " + std::to_string(size) +
                                             "; this library knows multiples of 8 up to " +
                                             std::to_string(known)};
}

void check_count(const void* array, size_t count, const char* name) {
  if (count == 0) return;
  require(array, name);
  if (count <= std::numeric_limits<int32_t>::max()) return;
  throw Failure{OCTAVO_INVALID_ARGUMENT,
                std::string(name) + " cannot be " + std::to_string(count) + " many"};
}

std::span<const int32_t> ids_of(const int32_t* ids, size_t count) {
  return array_of(ids, count, "ids");
}

std::string_view text_of(const char* text, size_t size) {
  if (size == 0) return {};
  require(text, "text");
  if (size > static_cast<size_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    throw Failure{OCTAVO_INVALID_ARGUMENT, "no text has " + std::to_string(size) + " bytes"};
  }
  return {text, size};
}

const char* string_of(const char* string, const char* name) {
  require(string, name);
  return string;
}

const char* path_of(const char* path) { return string_of(path, "path"); }

std::vector<std::string> strings_of(const char* const* strings, size_t count, const char* name) {
  const auto each = array_of(strings, count, name);
  std::vector<std::string> result;
  for (const char* string : each) result.emplace_back(string_of(string, name));
  return result;
}

bool flag_of(int64_t value, const char* name) {
  if (value == 0 || value == 1) return value == 1;
  throw Failure{OCTAVO_INVALID_ARGUMENT, std::string(name) + " must be 0 or 1"};
}

int32_t cache_number(CacheType type) {
  return static_cast<int32_t>(std::find(kCacheTypes.begin(), kCacheTypes.end(), type) -
                              kCacheTypes.begin());
}

octavo_model_options model_defaults() {
  static const ModelOptions& defaults = *new ModelOptions;  // never destroyed: handed out
  return {.struct_size = sizeof(octavo_model_options),
          .device = defaults.device.c_str(),
          .window = -1,
          .gpu_layers = -1,
          .experts_on_cpu = 0};
}

ModelOptions model_options(const octavo_model_options* given) {
  const octavo_model_options read = read_struct(given, model_defaults());
  ModelOptions options;
  options.device = string_of(read.device, "device");
  if (read.window != -1) options.window = read.window;
  if (read.gpu_layers < -1) {
    throw Failure{OCTAVO_INVALID_ARGUMENT, "gpu_layers must be -1 (all) or more"};
  }
  options.gpu_layers = read.gpu_layers;
  options.experts_on_cpu = flag_of(read.experts_on_cpu, "experts_on_cpu");
  return options;
}

octavo_session_options session_defaults() {
  const SessionOptions defaults;
  return {.struct_size = sizeof(octavo_session_options),
          .context = defaults.context,
          .chunk = defaults.chunk,
          .threads = defaults.threads,
          .keep = defaults.keep,
          .cache = OCTAVO_CACHE_AUTO,
          .context_shift = defaults.context_shift,
          .profile = defaults.profile};
}

SessionOptions session_options(const octavo_session_options* given) {
  const octavo_session_options read = read_struct(given, session_defaults());
  SessionOptions options;
  options.context = read.context;
  options.chunk = read.chunk;
  options.threads = threads_of(read.threads);
  options.keep = read.keep;
  options.cache = value_at(kCacheTypes, read.cache, "cache");
  options.context_shift = flag_of(read.context_shift, "context_shift");
  options.profile = flag_of(read.profile, "profile");
  return options;
}

octavo_generate_options generate_defaults() {
  const GenerateOptions defaults;
  return {.struct_size = sizeof(octavo_generate_options),
          .max_tokens = defaults.max_tokens,
          .whole_prompt = defaults.whole_prompt,
          .stop = nullptr,
          .stop_count = 0,
          .logprobs = defaults.logprobs,
          .speculation = OCTAVO_SPECULATION_AUTO};
}

GenerateOptions generate_options(const octavo_generate_options* given) {
  const octavo_generate_options read = read_struct(given, generate_defaults());
  GenerateOptions options;
  options.max_tokens = read.max_tokens;
  options.whole_prompt = flag_of(read.whole_prompt, "whole_prompt");
  options.stop = strings_of(read.stop, read.stop_count, "stop");
  options.logprobs = logprobs_of(read.logprobs);
  options.speculation = value_at(kSpeculations, read.speculation, "speculation");
  return options;
}

}  // namespace octavo::capi

extern "C" {

octavo_status octavo_model_options_init(octavo_model_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::model_defaults());
}

octavo_status octavo_session_options_init(octavo_session_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::session_defaults());
}

octavo_status octavo_generate_options_init(octavo_generate_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::generate_defaults());
}
}
