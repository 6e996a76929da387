// Options as JavaScript writes them, and the library's structs.
#pragma once

#include <node_api.h>

#include <deque>
#include <string>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::node {

/// What the pointers in a struct of options point to.
struct OptionTexts {
  std::deque<std::string> texts;
  std::deque<std::vector<const char*>> lists;
  std::vector<octavo_logit_bias> biases;
};

/// A struct of options with what it points to. It stays where it is.
template <typename Struct>
struct Options {
  Options() = default;
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  Struct values = {};
  OptionTexts texts;
};

/// Sets the library's defaults, then what the object says; undefined stands for none. Throws a
/// TypeError for a name that is no option, and for a value of another type.
void read_options(napi_env env, napi_value object, Options<octavo_model_options>& options);
void read_options(napi_env env, napi_value object, Options<octavo_chat_options>& options);
void read_options(napi_env env, napi_value object, Options<octavo_session_options>& options);
void read_options(napi_env env, napi_value object, Options<octavo_sampling_options>& options);
void read_options(napi_env env, napi_value object, Options<octavo_generate_options>& options);

/// "f16"
const char* cache_name(int64_t cache);

}  // namespace octavo::node
