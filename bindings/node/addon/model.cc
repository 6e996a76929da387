#include "addon/model.h"

#include "addon/environment.h"
#include "addon/options.h"
#include "addon/values.h"

namespace octavo::node {
namespace {

/// All elements that `call(buffer, capacity, &count)` gives, which are likely to be `expected`.
template <typename Element, typename Call>
std::vector<Element> all_of(size_t expected, const Call& call) {
  std::vector<Element> elements(expected);
  size_t count = 0;
  octavo_status status = call(elements.data(), elements.size(), &count);
  if (status == OCTAVO_BUFFER_TOO_SMALL) {
    elements.resize(count);
    status = call(elements.data(), elements.size(), &count);
  }
  require_ok(status);
  elements.resize(count);
  return elements;
}

napi_value open(napi_env env, const Arguments& arguments) {
  struct Opening {
    std::string path;
    Options<octavo_model_options> options;
    std::shared_ptr<Model> model;
  };
  auto opening = std::make_shared<Opening>();
  opening->path = c_string_of(env, arguments[0], "path");
  read_options(env, arguments[1], opening->options);
  Worker& worker = Environment::of(env).file_reader();
  worker.start();
  const auto compute = [opening] {
    octavo_model* handle = nullptr;
    require_ok(octavo_model_open(opening->path.c_str(), &opening->options.values, &handle));
    opening->model = std::make_shared<Model>(handle);
  };
  const auto result = [opening](napi_env given) { return wrap(given, std::move(opening->model)); };
  return promise_of(env, worker, compute, result, nullptr);
}

napi_value close(napi_env env, const Arguments& arguments) {
  const auto model = unwrap<Model>(env, arguments[0]);
  octavo_model_free(model->handle);
  model->handle = nullptr;
  return undefined(env);
}

napi_value id_or_null(napi_env env, int32_t id) { return id < 0 ? null(env) : number(env, id); }

napi_value info(napi_env env, const Arguments& arguments) {
  const octavo_model_info info = info_of(model_of(env, arguments[0]));
  const napi_value result = object(env);
  set(env, result, "architecture", string(env, info.architecture));
  set(env, result, "format", string(env, info.format));
  set(env, result, "device", string(env, info.device));
  const std::pair<const char*, int64_t> numbers[] = {
      {"dim", info.dim},          {"layers", info.layers},
      {"heads", info.heads},      {"kvHeads", info.kv_heads},
      {"headDim", info.head_dim}, {"ffnDim", info.ffn_dim},
      {"experts", info.experts},  {"expertsPerToken", info.experts_per_token},
      {"vocab", info.vocab},      {"context", info.context},
      {"window", info.window},
  };
  for (const auto& [name, value] : numbers) {
    set(env, result, name, number(env, static_cast<double>(value)));
  }
  set(env, result, "bos", id_or_null(env, info.bos));
  set(env, result, "eos", id_or_null(env, info.eos));
  set(env, result, "hasTokenizer", boolean(env, info.has_tokenizer != 0));
  return result;
}

napi_value tokenize(napi_env env, const Arguments& arguments) {
  const octavo_model* model = model_of(env, arguments[0]);
  const std::string text = string_of(env, arguments[1], "text");
  return int32_array(env, ids_of_text(model, text, boolean_of(env, arguments[2], "bos")));
}

napi_value detokenize(napi_env env, const Arguments& arguments) {
  const octavo_model* model = model_of(env, arguments[0]);
  const std::vector<int32_t> ids = ids_of(env, arguments[1], "ids");
  size_t needed = 0;
  std::vector<char> text(ids.size() * 8 + 1);
  const auto write = [&] {
    return octavo_model_detokenize(model, ids.data(), ids.size(), text.data(), text.size(),
                                   &needed);
  };
  octavo_status status = write();
  if (status == OCTAVO_BUFFER_TOO_SMALL) {
    text.resize(needed + 1);
    status = write();
  }
  require_ok(status);
  return string(env, {text.data(), needed});
}

napi_value chat_template(napi_env env, const Arguments& arguments) {
  const char* text = nullptr;
  require_ok(octavo_model_chat_template(model_of(env, arguments[0]), &text));
  return string(env, text);
}

/// encodeChat(model, [role, content, role, content, ...], options)
napi_value encode_chat(napi_env env, const Arguments& arguments) {
  const octavo_model* model = model_of(env, arguments[0]);
  Messages messages;
  read_messages(env, arguments[1], messages);
  Options<octavo_chat_options> options;
  read_options(env, arguments[2], options);
  return int32_array(env, all_of<int32_t>(256, [&](int32_t* ids, size_t capacity, size_t* count) {
                       return octavo_model_encode_chat(model, messages.values.data(),
                                                       messages.values.size(), &options.values, ids,
                                                       capacity, count);
                     }));
}

}  // namespace

octavo_model* model_of(napi_env env, napi_value value) {
  octavo_model* const handle = unwrap<Model>(env, value)->handle;
  if (handle == nullptr) throw Failure{OCTAVO_INVALID_HANDLE, "the model is closed"};
  return handle;
}

octavo_model_info info_of(const octavo_model* model) {
  octavo_model_info info = {};
  info.struct_size = sizeof info;
  require_ok(octavo_model_get_info(model, &info));
  return info;
}

std::vector<int32_t> ids_of_text(const octavo_model* model, const std::string& text, bool add_bos) {
  return all_of<int32_t>(text.size() + 2, [&](int32_t* ids, size_t capacity, size_t* count) {
    return octavo_model_tokenize(model, text.data(), text.size(), add_bos ? 1 : 0, ids, capacity,
                                 count);
  });
}

void read_messages(napi_env env, napi_value flat, Messages& messages) {
  for (const napi_value element : elements_of(env, flat, "messages")) {
    messages.texts.push_back(c_string_of(env, element, "a message's role or content"));
  }
  for (size_t i = 0; i + 1 < messages.texts.size(); i += 2) {
    messages.values.push_back({messages.texts[i].c_str(), messages.texts[i + 1].c_str()});
  }
}

std::vector<napi_property_descriptor> model_functions() {
  return {
      function("modelOpen", entry<open>),
      function("modelClose", entry<close>),
      function("modelInfo", entry<info>),
      function("modelTokenize", entry<tokenize>),
      function("modelDetokenize", entry<detokenize>),
      function("modelChatTemplate", entry<chat_template>),
      function("modelEncodeChat", entry<encode_chat>),
  };
}

}  // namespace octavo::node
