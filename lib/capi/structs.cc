#include "capi/structs.h"

namespace octavo::capi {
namespace {

bool flag_of(int64_t value, const char* name) {
  if (value == 0 || value == 1) return value == 1;
  throw Failure{OCTAVO_INVALID_ARGUMENT, std::string(name) + " must be 0 or 1"};
}

CacheType cache_type_of(int32_t value) {
  switch (value) {
    case OCTAVO_CACHE_AUTO:
      return CacheType::kAuto;
    case OCTAVO_CACHE_F32:
      return CacheType::kF32;
    case OCTAVO_CACHE_F16:
      return CacheType::kF16;
    case OCTAVO_CACHE_BF16:
      return CacheType::kBF16;
    default:
      throw Failure{OCTAVO_INVALID_ARGUMENT,
                    "the cache type must be one of OCTAVO_CACHE_..., not " + std::to_string(value)};
  }
}

int threads_of(int64_t value) {
  if (value >= 0 && value <= std::numeric_limits<int>::max()) return static_cast<int>(value);
  throw Failure{OCTAVO_INVALID_ARGUMENT, "threads must be 0 (all) or more"};
}

template <class Struct>
octavo_status init(Struct* options, size_t struct_size, const Struct& defaults) {
  return guarded([&] {
    require(options, "options");
    write_struct(options, struct_size, defaults);
  });
}

}  // namespace

void check_struct_size(size_t size, size_t known) {
  if (size >= sizeof(size_t) && size <= known && size % 8 == 0) return;
  throw Failure{OCTAVO_INVALID_ARGUMENT, "struct_size is " + std::to_string(size) +
                                             "; this library knows multiples of 8 up to " +
                                             std::to_string(known)};
}

std::span<const int32_t> ids_of(const int32_t* ids, size_t count) {
  if (count == 0) return {};
  require(ids, "ids");
  if (count > std::numeric_limits<int32_t>::max()) {
    throw Failure{OCTAVO_INVALID_ARGUMENT, "there cannot be " + std::to_string(count) + " ids"};
  }
  return {ids, count};
}

std::string_view text_of(const char* text, size_t size) {
  if (size == 0) return {};
  require(text, "text");
  if (size > static_cast<size_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    throw Failure{OCTAVO_INVALID_ARGUMENT, "no text has " + std::to_string(size) + " bytes"};
  }
  return {text, size};
}

const char* path_of(const char* path) {
  require(path, "path");
  return path;
}

octavo_session_options session_defaults() {
  const SessionOptions defaults;
  return {.struct_size = sizeof(octavo_session_options),
          .context = defaults.context,
          .chunk = defaults.chunk,
          .threads = defaults.threads,
          .keep = defaults.keep,
          .cache = OCTAVO_CACHE_AUTO,
          .context_shift = defaults.context_shift};
}

SessionOptions session_options(const octavo_session_options* given) {
  const octavo_session_options read = read_struct(given, session_defaults());
  SessionOptions options;
  options.context = read.context;
  options.chunk = read.chunk;
  options.threads = threads_of(read.threads);
  options.keep = read.keep;
  options.cache = cache_type_of(read.cache);
  options.context_shift = flag_of(read.context_shift, "context_shift");
  return options;
}

octavo_sampling_options sampling_defaults() {
  const SamplingOptions defaults;
  return {.struct_size = sizeof(octavo_sampling_options),
          .temperature = defaults.temperature,
          .top_p = defaults.top_p,
          .min_p = defaults.min_p,
          .repeat_penalty = defaults.repeat_penalty,
          .top_k = defaults.top_k,
          .repeat_window = defaults.repeat_window,
          .seed = defaults.seed};
}

SamplingOptions sampling_options(const octavo_sampling_options* given) {
  const octavo_sampling_options read = read_struct(given, sampling_defaults());
  SamplingOptions options;
  options.temperature = read.temperature;
  options.top_k = read.top_k;
  options.top_p = read.top_p;
  options.min_p = read.min_p;
  options.repeat_penalty = read.repeat_penalty;
  options.repeat_window = read.repeat_window;
  options.seed = read.seed;
  return options;
}

octavo_generate_options generate_defaults() {
  const GenerateOptions defaults;
  return {.struct_size = sizeof(octavo_generate_options),
          .max_tokens = defaults.max_tokens,
          .whole_prompt = defaults.whole_prompt};
}

GenerateOptions generate_options(const octavo_generate_options* given) {
  const octavo_generate_options read = read_struct(given, generate_defaults());
  GenerateOptions options;
  options.max_tokens = read.max_tokens;
  options.whole_prompt = flag_of(read.whole_prompt, "whole_prompt");
  return options;
}

}  // namespace octavo::capi

extern "C" {

octavo_status octavo_model_options_init(octavo_model_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, {sizeof(octavo_model_options), "cpu"});
}

octavo_status octavo_session_options_init(octavo_session_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::session_defaults());
}

octavo_status octavo_sampling_options_init(octavo_sampling_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::sampling_defaults());
}

octavo_status octavo_generate_options_init(octavo_generate_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::generate_defaults());
}
}
