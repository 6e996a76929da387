// Models in C.
#include <array>
#include <string>

#include "capi/objects.h"
#include "capi/structs.h"

using octavo::capi::copy_out;
using octavo::capi::guarded;
using octavo::capi::models;
using octavo::capi::require;

extern "C" {

octavo_status octavo_model_open(const char* path, const octavo_model_options* options,
                                octavo_model** model) {
  return guarded([&] {
    require(model, "model");
    *model = nullptr;
    const octavo::ModelOptions wanted = octavo::capi::model_options(options);
    *model = models().add(
        std::make_shared<octavo::Model>(octavo::Model::open(octavo::capi::path_of(path), wanted)));
  });
}

octavo_status octavo_model_free(octavo_model* model) {
  return guarded([&] {
    if (model != nullptr) models().remove(model);
  });
}

octavo_status octavo_model_get_info(const octavo_model* model, octavo_model_info* info) {
  return guarded([&] {
    const auto found = models().find(model);
    require(info, "info");
    const octavo::ModelInfo& from = found->info();
    const octavo_model_info value = {.struct_size = sizeof(octavo_model_info),
                                     .architecture = from.architecture.c_str(),
                                     .format = from.format.c_str(),
                                     .device = from.device.c_str(),
                                     .dim = from.dim,
                                     .layers = from.layers,
                                     .heads = from.heads,
                                     .kv_heads = from.kv_heads,
                                     .head_dim = from.head_dim,
                                     .ffn_dim = from.ffn_dim,
                                     .experts = from.experts,
                                     .experts_per_token = from.experts_per_token,
                                     .vocab = from.vocab,
                                     .context = from.context,
                                     .window = from.window,
                                     .bos = from.bos,
                                     .eos = from.eos,
                                     .has_tokenizer = from.has_tokenizer};
    octavo::capi::write_struct(info, info->struct_size, value);
  });
}

octavo_status octavo_model_tokenize(const octavo_model* model, const char* text, size_t text_size,
                                    int32_t add_bos, int32_t* ids, size_t capacity, size_t* count) {
  return guarded([&] {
    const auto found = models().find(model);
    const auto result = found->tokenize(octavo::capi::text_of(text, text_size), add_bos != 0);
    copy_out<int32_t>(result, {}, ids, capacity, count);
  });
}

octavo_status octavo_model_detokenize(const octavo_model* model, const int32_t* ids, size_t count,
                                      char* text, size_t capacity, size_t* needed) {
  return guarded([&] {
    const auto found = models().find(model);
    const std::string result = found->detokenize(octavo::capi::ids_of(ids, count));
    copy_out<char>(result, std::array{'\0'}, text, capacity, needed);
  });
}

octavo_status octavo_model_chat_template(const octavo_model* model, const char** text) {
  return guarded([&] {
    const auto found = models().find(model);
    require(text, "text");
    *text = found->chat_template().c_str();
  });
}
}
