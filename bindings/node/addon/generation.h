// A text that is being generated, read by JavaScript token by token.
#pragma once

#include <node_api.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "addon/failure.h"
#include "addon/model.h"
#include "addon/options.h"
#include "addon/session.h"
#include "addon/watch.h"
#include "octavo/octavo.h"

namespace octavo::node {

/// What to begin with: ids, a text, or a conversation, which become ids in the worker.
struct Prompt {
  std::vector<int32_t> ids;
  std::string text;
  bool has_bos = false;                 // the text, in front
  const octavo_model* model = nullptr;  // of the text; null: there is none
  Messages messages;                    // none: no conversation
  Options<octavo_chat_options> chat;
};

/// In step with its reader: the next token is not computed before it is asked for, so the session
/// holds what was read and nothing more. Nobody keeps a reader that is gone: then the call ends.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  static constexpr napi_type_tag kTag = {0x6f637461766f0003, 0x91c4a37d20e86b5f};
  static constexpr const char* kName = "generation";

  explicit Generation(std::shared_ptr<Session> session) : session_(std::move(session)) {}
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
  void forgotten() { cancel(); }

  Prompt prompt;
  Options<octavo_generate_options> options;
  Options<octavo_sampling_options> sampling;

  /// Begins to compute; `wrapper` is the session's. Promises the result.
  napi_value start(napi_env env, napi_value wrapper, std::shared_ptr<Watch> watch);
  /// Promises a token, or null after the last one.
  napi_value next(napi_env env);
  /// Has the worker end soon, if it is at work.
  void cancel();

 private:
  struct GivenToken {
    int32_t id;
    std::string text;
    float logprob;
    std::vector<octavo_token_logprob> top;
  };

  // In the worker.
  void generate(octavo_session* handle);
  int32_t receive(const octavo_token& token);

  // In JavaScript's thread.
  void deliver(GivenToken token);
  void resume();
  void finish(napi_env env, std::optional<Failure> failure);
  void settle_end(napi_env env, napi_deferred deferred);
  napi_value token_object(napi_env env, const GivenToken& token) const;
  napi_value result_object(napi_env env) const;

  const std::shared_ptr<Session> session_;
  std::shared_ptr<Watch> watch_;
  bool is_wanted_ = false;  // the next token; under the session's lock
  octavo_generate_result result_ = {};

  // Of JavaScript's thread alone.
  std::optional<GivenToken> token_;  // computed, not read
  napi_deferred reader_ = nullptr;   // waits for a token
  napi_deferred result_reader_ = nullptr;
  bool is_paused_ = false;  // the worker waits for the reader
  bool is_ended_ = false;
  std::optional<Failure> failure_;
  napi_env env_ = nullptr;  // since it was started
};

std::vector<napi_property_descriptor> generation_functions();

}  // namespace octavo::node
