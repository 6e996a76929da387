#include "addon/generation.h"

#include <utility>

#include "addon/values.h"

namespace octavo::node {
namespace {

const char* reason_name(int32_t reason) {
  switch (reason) {
    case OCTAVO_STOP_EOS:
      return "eos";
    case OCTAVO_STOP_MAX_TOKENS:
      return "maxTokens";
    case OCTAVO_STOP_CONTEXT_FULL:
      return "contextFull";
    case OCTAVO_STOP_TEXT:
      return "stopText";
    default:
      return "cancelled";  // by the library's callback, which is this file's, or by a call
  }
}

napi_value index_or_null(napi_env env, int64_t index) {
  return index < 0 ? null(env) : number(env, static_cast<double>(index));
}

}  // namespace

napi_value Generation::start(napi_env env, napi_value wrapper, std::shared_ptr<Watch> watch) {
  octavo_session* const handle =
      session_->begin(env, wrapper, shared_from_this(), [this] { resume(); });
  env_ = env;
  watch_ = std::move(watch);
  result_.struct_size = sizeof result_;
  napi_value promise = nullptr;
  require_ok(env, napi_create_promise(env, &result_reader_, &promise));
  session_->loop().hold();
  session_->worker().run([this, handle] {
    std::optional<Failure> failure;
    try {
      watch_->run(handle, [&] { generate(handle); });
    } catch (const Failure& thrown) {
      failure = thrown;
    } catch (const std::exception& error) {
      failure = Failure{OCTAVO_INTERNAL, error.what()};
    }
    session_->loop().post([self = shared_from_this(), failure = std::move(failure)](
                              napi_env given) { self->finish(given, failure); });
  });
  return promise;
}

void Generation::generate(octavo_session* handle) {
  const auto on_token = [](const octavo_token* token, void* user) {
    return static_cast<Generation*>(user)->receive(*token);
  };
  const Messages& messages = prompt.messages;
  if (!messages.values.empty()) {
    require_ok(octavo_generate_chat(handle, messages.values.data(), messages.values.size(),
                                    &prompt.chat.values, &options.values, &sampling.values,
                                    on_token, this, &result_));
    return;
  }
  if (prompt.model != nullptr) prompt.ids = ids_of_text(prompt.model, prompt.text, prompt.has_bos);
  require_ok(octavo_generate(handle, prompt.ids.data(), prompt.ids.size(), &options.values,
                             &sampling.values, on_token, this, &result_));
}

int32_t Generation::receive(const octavo_token& token) {
  watch_->flush();
  GivenToken given = {token.id, {token.text, token.text_size}, token.logprob, {}};
  if (token.top_count > 0) given.top.assign(token.top, token.top + token.top_count);
  session_->loop().post(
      [self = shared_from_this(), given = std::move(given)](napi_env) { self->deliver(given); });
  session_->wait([this] { return is_wanted_; });
  session_->change([this] { is_wanted_ = false; });
  return session_->is_cancelled() ? 1 : 0;
}

void Generation::deliver(GivenToken token) {
  // While its reader is away nothing is under way.
  is_paused_ = true;
  session_->loop().release();
  if (session_->is_cancelled()) resume();
  token_ = std::move(token);
  if (napi_deferred reader = std::exchange(reader_, nullptr)) {
    settle(env_, reader, [this](napi_env env) {
      return token_object(env, *std::exchange(token_, std::nullopt));
    });
  }
}

void Generation::resume() {
  if (!std::exchange(is_paused_, false)) return;
  session_->loop().hold();
  session_->change([this] { is_wanted_ = true; });
}

napi_value Generation::next(napi_env env) {
  if (reader_ != nullptr) throw_type_error(env, "one token after the other");
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  require_ok(env, napi_create_promise(env, &deferred, &promise));
  if (token_) {
    settle(env, deferred, [this](napi_env given) {
      return token_object(given, *std::exchange(token_, std::nullopt));
    });
  } else if (is_ended_) {
    settle_end(env, deferred);
  } else {
    reader_ = deferred;
    resume();
  }
  return promise;
}

void Generation::cancel() {
  if (env_ != nullptr && !is_ended_) session_->cancel();
}

void Generation::finish(napi_env env, std::optional<Failure> failure) {
  if (!is_paused_) session_->loop().release();
  is_paused_ = false;
  is_ended_ = true;
  // A cancelled text has an end like any other.
  if (failure && failure->status == OCTAVO_CANCELLED) {
    failure.reset();
    result_.reason = OCTAVO_STOP_CANCELLED;
  }
  failure_ = std::move(failure);
  watch_->release(env);
  session_->finish(env);
  if (reader_ != nullptr) settle_end(env, std::exchange(reader_, nullptr));
  settle(env, result_reader_, [this](napi_env given) {
    if (failure_) throw *failure_;
    return result_object(given);
  });
}

void Generation::settle_end(napi_env env, napi_deferred deferred) {
  settle(env, deferred, [this](napi_env given) {
    if (failure_) throw *failure_;
    return null(given);
  });
}

napi_value Generation::token_object(napi_env env, const GivenToken& token) const {
  const napi_value result = object(env);
  set(env, result, "text", string(env, token.text));
  set(env, result, "id", number(env, token.id));
  if (options.values.logprobs < 0) return result;
  set(env, result, "logprob", number(env, token.logprob));
  napi_value top = nullptr;
  require_ok(env, napi_create_array_with_length(env, token.top.size(), &top));
  for (uint32_t i = 0; i < token.top.size(); ++i) {
    const napi_value likely = object(env);
    set(env, likely, "id", number(env, token.top[i].id));
    set(env, likely, "logprob", number(env, token.top[i].logprob));
    require_ok(env, napi_set_element(env, top, i, likely));
  }
  set(env, result, "top", top);
  return result;
}

napi_value Generation::result_object(napi_env env) const {
  const napi_value result = object(env);
  set(env, result, "reason", string(env, reason_name(result_.reason)));
  set(env, result, "stopIndex", index_or_null(env, result_.stop_index));
  set(env, result, "promptTokens", number(env, static_cast<double>(result_.prompt_tokens)));
  set(env, result, "generatedTokens", number(env, static_cast<double>(result_.generated_tokens)));
  set(env, result, "reused", number(env, static_cast<double>(result_.reused)));
  set(env, result, "prefillSeconds", number(env, result_.prefill_seconds));
  set(env, result, "decodeSeconds", number(env, result_.decode_seconds));
  set(env, result, "decodedTokens", number(env, static_cast<double>(result_.decoded_tokens)));
  set(env, result, "lastToken", index_or_null(env, result_.last_token));
  set(env, result, "drafted", number(env, static_cast<double>(result_.drafted)));
  set(env, result, "accepted", number(env, static_cast<double>(result_.accepted)));
  return result;
}

namespace {

/// {text, bos, model} or {messages, chat} or ids
void read_prompt(napi_env env, napi_value value, Prompt& prompt) {
  const auto property = [&](const char* name) {
    napi_value result = nullptr;
    require_ok(env, napi_get_named_property(env, value, name, &result));
    return type_of(env, result) == napi_undefined ? nullptr : result;
  };
  if (type_of(env, value) != napi_object) {
    throw_type_error(env, "the prompt must be a text, ids or messages");
  }
  if (const napi_value text = property("text")) {
    prompt.text = string_of(env, text, "the prompt");
    prompt.has_bos = boolean_of(env, property("bos"), "bos");
    prompt.model = model_of(env, property("model"));
  } else if (const napi_value messages = property("messages")) {
    read_messages(env, messages, prompt.messages);
    read_options(env, property("chat"), prompt.chat);
  } else {
    prompt.ids = ids_of(env, value, "the prompt's ids");
  }
}

/// generate(session, prompt, options, sampling, onRouting, onProgress): {generation, result}
napi_value generate(napi_env env, const Arguments& arguments) {
  const auto session = unwrap<Session>(env, arguments[0]);
  session->idle();
  const auto generation = std::make_shared<Generation>(session);
  read_prompt(env, arguments[1], generation->prompt);
  read_options(env, arguments[2], generation->options);
  read_options(env, arguments[3], generation->sampling);
  const napi_value result = object(env);
  set(env, result, "generation", wrap(env, generation));
  set(env, result, "result",
      generation->start(env, arguments[0],
                        std::make_shared<Watch>(env, *session, arguments[4], arguments[5])));
  return result;
}

napi_value next(napi_env env, const Arguments& arguments) {
  return unwrap<Generation>(env, arguments[0])->next(env);
}

napi_value cancel(napi_env env, const Arguments& arguments) {
  unwrap<Generation>(env, arguments[0])->cancel();
  return undefined(env);
}

}  // namespace

std::vector<napi_property_descriptor> generation_functions() {
  return {
      function("generate", entry<generate>),
      function("generationNext", entry<next>),
      function("generationCancel", entry<cancel>),
  };
}

}  // namespace octavo::node
