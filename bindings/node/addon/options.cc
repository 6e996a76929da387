#include "addon/options.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "addon/failure.h"
#include "addon/values.h"

namespace octavo::node {
namespace {

/// A value on its way to a field.
struct Given {
  napi_env env;
  std::string_view name;
  napi_value value;
};

template <typename Member>
struct MemberTypes;
template <typename S, typename F>
struct MemberTypes<F S::*> {
  using Struct = S;
  using Field = F;
};
template <auto kMember>
using StructOf = typename MemberTypes<decltype(kMember)>::Struct;
template <auto kMember>
using FieldOf = typename MemberTypes<decltype(kMember)>::Field;

template <typename Struct>
struct Option {
  std::string_view name;
  void (*read)(const Given&, Options<Struct>&);
};

template <auto kMember>
void whole(const Given& given, Options<StructOf<kMember>>& options) {
  using Field = FieldOf<kMember>;
  options.values.*kMember = static_cast<Field>(integer_of(given.env, given.value, given.name,
                                                          std::numeric_limits<Field>::min(),
                                                          std::numeric_limits<Field>::max()));
}

template <auto kMember>
void seed(const Given& given, Options<StructOf<kMember>>& options) {
  options.values.*kMember = unsigned_of(given.env, given.value, given.name);
}

template <auto kMember>
void real(const Given& given, Options<StructOf<kMember>>& options) {
  options.values.*kMember = static_cast<float>(number_of(given.env, given.value, given.name));
}

template <auto kMember>
void flag(const Given& given, Options<StructOf<kMember>>& options) {
  options.values.*kMember = boolean_of(given.env, given.value, given.name) ? 1 : 0;
}

template <auto kMember>
void text(const Given& given, Options<StructOf<kMember>>& options) {
  options.texts.texts.push_back(c_string_of(given.env, given.value, given.name));
  options.values.*kMember = options.texts.texts.back().c_str();
}

template <auto kMember, auto kCount>
void texts(const Given& given, Options<StructOf<kMember>>& options) {
  std::vector<const char*>& list = options.texts.lists.emplace_back();
  for (const napi_value element : elements_of(given.env, given.value, given.name)) {
    options.texts.texts.push_back(c_string_of(given.env, element, given.name));
    list.push_back(options.texts.texts.back().c_str());
  }
  options.values.*kMember = list.data();
  options.values.*kCount = list.size();
}

/// The name's index in the list is the library's number.
template <auto kMember, const auto& kNames>
void choice(const Given& given, Options<StructOf<kMember>>& options) {
  const std::string chosen = string_of(given.env, given.value, given.name);
  const auto at = std::find(kNames.begin(), kNames.end(), chosen);
  if (at == kNames.end()) {
    std::string message = std::string(given.name) + " must be one of";
    for (const std::string_view name : kNames) message.append(" ").append(name);
    throw_type_error(given.env, message + ", not " + chosen);
  }
  options.values.*kMember = static_cast<FieldOf<kMember>>(at - kNames.begin());
}

/// [id, bias, id, bias, ...]
void biases(const Given& given, Options<octavo_sampling_options>& options) {
  const std::vector<napi_value> numbers = elements_of(given.env, given.value, given.name);
  for (size_t i = 0; i + 1 < numbers.size(); i += 2) {
    const int64_t id = integer_of(given.env, numbers[i], "an id of logitBias", 0,
                                  std::numeric_limits<int32_t>::max());
    const double bias = number_of(given.env, numbers[i + 1], "a bias of logitBias");
    options.texts.biases.push_back({static_cast<int32_t>(id), static_cast<float>(bias)});
  }
  options.values.logit_bias = options.texts.biases.data();
  options.values.logit_bias_count = options.texts.biases.size();
}

constexpr std::array<std::string_view, 5> kCacheNames = {"auto", "f32", "f16", "bf16", "q8_0"};
constexpr std::array<std::string_view, 3> kSpeculationNames = {"auto", "off", "on"};

constexpr Option<octavo_model_options> kModelOptions[] = {
    {"device", text<&octavo_model_options::device>},
    {"window", whole<&octavo_model_options::window>},
    {"gpuLayers", whole<&octavo_model_options::gpu_layers>},
    {"expertsOnCpu", flag<&octavo_model_options::experts_on_cpu>},
};

constexpr Option<octavo_chat_options> kChatOptions[] = {
    {"template", text<&octavo_chat_options::chat_template>},
    {"continueFinal", flag<&octavo_chat_options::continue_final>},
};

constexpr Option<octavo_session_options> kSessionOptions[] = {
    {"context", whole<&octavo_session_options::context>},
    {"chunk", whole<&octavo_session_options::chunk>},
    {"threads", whole<&octavo_session_options::threads>},
    {"keep", whole<&octavo_session_options::keep>},
    {"cache", choice<&octavo_session_options::cache, kCacheNames>},
    {"contextShift", flag<&octavo_session_options::context_shift>},
    {"profile", flag<&octavo_session_options::profile>},
};

using Sampling = octavo_sampling_options;
constexpr Option<Sampling> kSamplingOptions[] = {
    {"temperature", real<&Sampling::temperature>},
    {"topP", real<&Sampling::top_p>},
    {"minP", real<&Sampling::min_p>},
    {"repeatPenalty", real<&Sampling::repeat_penalty>},
    {"topK", whole<&Sampling::top_k>},
    {"repeatWindow", whole<&Sampling::repeat_window>},
    {"seed", seed<&Sampling::seed>},
    {"frequencyPenalty", real<&Sampling::frequency_penalty>},
    {"presencePenalty", real<&Sampling::presence_penalty>},
    {"dryMultiplier", real<&Sampling::dry_multiplier>},
    {"dryBase", real<&Sampling::dry_base>},
    {"dryAllowedLength", whole<&Sampling::dry_allowed_length>},
    {"dryWindow", whole<&Sampling::dry_window>},
    {"dryBreakers", texts<&Sampling::dry_breakers, &Sampling::dry_breaker_count>},
    {"typicalP", real<&Sampling::typical_p>},
    {"xtcProbability", real<&Sampling::xtc_probability>},
    {"xtcThreshold", real<&Sampling::xtc_threshold>},
    {"dynatempRange", real<&Sampling::dynatemp_range>},
    {"dynatempExponent", real<&Sampling::dynatemp_exponent>},
    {"mirostat", flag<&Sampling::mirostat>},
    {"mirostatTau", real<&Sampling::mirostat_tau>},
    {"mirostatEta", real<&Sampling::mirostat_eta>},
    {"logitBias", biases},
    {"grammar", text<&Sampling::grammar>},
    {"jsonSchema", text<&Sampling::json_schema>},
};

using Generating = octavo_generate_options;
constexpr Option<Generating> kGenerateOptions[] = {
    {"maxTokens", whole<&Generating::max_tokens>},
    {"wholePrompt", flag<&Generating::whole_prompt>},
    {"stop", texts<&Generating::stop, &Generating::stop_count>},
    {"logprobs", whole<&Generating::logprobs>},
    {"speculation", choice<&Generating::speculation, kSpeculationNames>},
};

template <typename Struct>
void read(napi_env env, napi_value object, std::string_view what,
          std::span<const Option<Struct>> known, Options<Struct>& options) {
  const napi_valuetype type = type_of(env, object);
  if (type == napi_undefined) return;
  if (type != napi_object) throw_type_error(env, "options must be an object");
  napi_value names = nullptr;
  require_ok(env, napi_get_all_property_names(env, object, napi_key_own_only, napi_key_enumerable,
                                              napi_key_numbers_to_strings, &names));
  for (const napi_value key : elements_of(env, names, "names")) {
    napi_value value = nullptr;
    require_ok(env, napi_get_property(env, object, key, &value));
    if (type_of(env, key) != napi_string) throw_type_error(env, "a symbol is no option");
    const std::string name = string_of(env, key, "name");
    const auto option = std::find_if(known.begin(), known.end(),
                                     [&](const auto& candidate) { return candidate.name == name; });
    if (option == known.end()) {
      throw_type_error(env, "'" + name + "' is no option of " + std::string(what));
    }
    if (type_of(env, value) != napi_undefined) option->read({env, name, value}, options);
  }
}

}  // namespace

void read_options(napi_env env, napi_value object, Options<octavo_model_options>& options) {
  require_ok(octavo_model_options_init(&options.values, sizeof options.values));
  read<octavo_model_options>(env, object, "a model", kModelOptions, options);
}

void read_options(napi_env env, napi_value object, Options<octavo_chat_options>& options) {
  require_ok(octavo_chat_options_init(&options.values, sizeof options.values));
  read<octavo_chat_options>(env, object, "chat", kChatOptions, options);
}

void read_options(napi_env env, napi_value object, Options<octavo_session_options>& options) {
  require_ok(octavo_session_options_init(&options.values, sizeof options.values));
  read<octavo_session_options>(env, object, "a session", kSessionOptions, options);
}

void read_options(napi_env env, napi_value object, Options<octavo_sampling_options>& options) {
  require_ok(octavo_sampling_options_init(&options.values, sizeof options.values));
  read<octavo_sampling_options>(env, object, "sampling", kSamplingOptions, options);
}

void read_options(napi_env env, napi_value object, Options<octavo_generate_options>& options) {
  require_ok(octavo_generate_options_init(&options.values, sizeof options.values));
  read<octavo_generate_options>(env, object, "generate", kGenerateOptions, options);
}

const char* cache_name(int64_t cache) {
  const bool is_known = cache >= 0 && cache < std::ssize(kCacheNames);
  return is_known ? kCacheNames[static_cast<size_t>(cache)].data() : "unknown";
}

}  // namespace octavo::node
