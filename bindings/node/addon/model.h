// The addon's functions for models.
#pragma once

#include <node_api.h>

#include <deque>
#include <string>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::node {

/// A model of the library; open as long as JavaScript or a call holds it.
struct Model {
  static constexpr napi_type_tag kTag = {0x6f637461766f0002, 0x2b7d0e9a61c34f58};
  static constexpr const char* kName = "model";

  explicit Model(octavo_model* opened) : handle(opened) {}
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() { octavo_model_free(handle); }
  void forgotten() {}

  octavo_model* handle;  ///< null: closed
};

/// The open model that a value of JavaScript stands for.
octavo_model* model_of(napi_env env, napi_value value);
octavo_model_info info_of(const octavo_model* model);
/// From any thread.
std::vector<int32_t> ids_of_text(const octavo_model* model, const std::string& text, bool add_bos);

/// A conversation with its texts. It stays where it is.
struct Messages {
  Messages() = default;
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  std::deque<std::string> texts;
  std::vector<octavo_chat_message> values;
};
/// From [role, content, role, content, ...].
void read_messages(napi_env env, napi_value flat, Messages& messages);
/// The functions' names and entries.
std::vector<napi_property_descriptor> model_functions();

}  // namespace octavo::node
