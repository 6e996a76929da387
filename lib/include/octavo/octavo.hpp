// Octavo: quantized inference for Mixtral 8x7B and its dense sibling Mistral 7B.
//
//   auto model = octavo::Model::open("mixtral.8vo");
//   octavo::Session session(model);
//   octavo::generate(session, model.tokenize("The capital of France is"), {.max_tokens = 32}, {},
//                    [](const octavo::Token& token) {
//                      std::cout << token.text << std::flush;
//                      return true;
//                    });
//
// Every failure is an octavo::Error. The library never prints, aborts or exits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octavo/error.hpp"
#include "octavo/export.h"

namespace octavo {

struct ModelOptions {
  std::string device = "cpu";
  /// Keys that a token sees, itself included, in place of what the file says; 0: all before it.
  std::optional<int64_t> window = std::nullopt;
  /// With device "cuda": layers on the GPU, the last ones, -1: all. The CPU computes the others.
  int64_t gpu_layers = -1;
  bool experts_on_cpu = false;  ///< with device "cuda": the GPU's layers leave theirs to the CPU
  /// Called while weights are brought to the device, with the bytes so far and of all.
  std::function<void(int64_t done, int64_t total)> on_load = {};
};

/// The shape of a model, as its file and its options say.
struct ModelInfo {
  std::string architecture;  ///< "mixtral" or "mistral"
  std::string format;        ///< what it was converted to, "q4_k"
  std::string device;        ///< what it runs on, for people
  int64_t dim = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn_dim = 0;
  int64_t experts = 0, experts_per_token = 0;
  int64_t vocab = 0, context = 0, window = 0;
  int32_t bos = -1, eos = -1;  ///< -1: none
  bool has_tokenizer = false;
};

/// One message of a conversation: an optional "system" first, then "user" and "assistant" in turn.
struct ChatMessage {
  std::string role, content;
};

struct ChatOptions {
  /// How messages become tokens: "mistral-v1", the official encoding of Mixtral-Instruct; the text
  /// of a Jinja template; or "auto", the template in the model's file, unless there is none or it
  /// writes what mistral-v1 encodes.
  std::string chat_template = "auto";
  bool continue_final = false;  ///< the last message is an answer to go on with
};

/// The system prompt by which the Mistral 7B paper (section 5.1) enforces guardrails.
inline constexpr std::string_view kGuardrailPrompt =
    "Always assist with care, respect, and truth. Respond with utmost utility yet securely. Avoid "
    "harmful, unethical, prejudiced, or negative content. Ensure replies promote fairness and "
    "positivity.";

/// A mapped model file. Cheap to copy; safe to use from several threads.
class OCTAVO_API Model {
 public:
  /// Maps the file and checks it. Throws Error, also for a window that the context cannot hold.
  static Model open(const std::string& path, const ModelOptions& options = {});

  const ModelInfo& info() const;
  /// Ids of `text`, with BOS in front if `bos`. Throws Error(kUnsupported) on a model without a
  /// tokenizer.
  std::vector<int32_t> tokenize(std::string_view text, bool bos = true) const;
  /// Text of ids; control tokens give nothing, bytes that are no UTF-8 give U+FFFD. Throws
  /// Error(kInvalidArgument) for ids outside the vocabulary, and what tokenize does.
  std::string detokenize(std::span<const int32_t> ids) const;
  /// What the vocabulary calls an id: "▁the", "<0x0A>", "<s>"; empty for one that the model has and
  /// its tokenizer has not. Throws as detokenize.
  std::string piece(int32_t id) const;
  /// Ids of a conversation, up to where the answer begins. What a message says is never taken for a
  /// control token. Throws Error(kInvalidArgument) for no messages, unknown roles or roles out of
  /// turn, Error(kUnsupported) for a template that octavo does not know or a model without a
  /// tokenizer.
  std::vector<int32_t> encode_chat(std::span<const ChatMessage> messages,
                                   const ChatOptions& options = {}) const;
  /// The model's chat template (Jinja), empty if it has none.
  const std::string& chat_template() const;

  struct OCTAVO_HIDDEN Impl;
  const std::shared_ptr<const Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Text of ids that come one by one, for those who sample themselves.
class OCTAVO_API TextStream {
 public:
  /// The text goes on behind that of `before`; without any, the space that encoding puts in front
  /// of a text is taken away again. Throws Error(kUnsupported) on a model without a tokenizer and
  /// Error(kInvalidArgument) for ids outside the vocabulary.
  explicit TextStream(const Model& model, std::span<const int32_t> before = {});
  ~TextStream();
  TextStream(TextStream&&) noexcept;
  TextStream& operator=(TextStream&&) noexcept;

  /// The characters that are whole with this id, as UTF-8; often none. Control tokens have no text.
  /// Throws Error(kInvalidArgument) for an id outside the vocabulary.
  std::string add(int32_t id);
  /// The end: each byte of a character that was not completed gives U+FFFD.
  std::string finish();

 private:
  struct OCTAVO_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

enum class CacheType {
  kAuto,  ///< f32 for a model stored in f32, otherwise f16
  kF32,
  kF16,
  kBF16,
  kQ8_0,  ///< blocks of 32 bytes with a scale: little more than half of f16
};

struct SessionOptions {
  int64_t context = 0;   ///< positions; 0: the model's own
  int64_t chunk = 1024;  ///< tokens computed at once in prefill
  int threads = 0;       ///< 0: as many as the processors
  CacheType cache = CacheType::kAuto;
  bool profile = false;  ///< keeps count of every op, see Session::profile
  /// What happens when the context is full: an error, or the older half of the tokens behind the
  /// first `keep` is forgotten and the others move up.
  bool context_shift = false;
  int64_t keep = 4;  ///< with context_shift; BOS is one of them
};

/// What one op of the forward pass has cost, summed over its calls.
struct OpProfile {
  std::string name;  ///< "matmul_qkv", "attention", "moe_ffn", ...
  int64_t calls = 0;
  double seconds = 0;
  double bytes = 0;       ///< weights (of the experts that were chosen) and cache entries read
  double operations = 0;  ///< multiplications and additions with those
};

/// What the router decided for one token in one layer.
struct RoutedToken {
  int64_t layer = 0, position = 0;
  std::span<const int32_t> experts;  ///< [top_k], best first
  std::span<const float> weights;    ///< [top_k], sum 1
  std::span<const float> logits;     ///< [experts]
};

/// One sequence of tokens and its KV cache. For one thread at a time; many sessions share a model.
/// docs/sessions.md tells more of saving, forking and the prefix that is not computed again.
class OCTAVO_API Session {
 public:
  /// Throws Error(kInvalidArgument) for options outside their range.
  explicit Session(const Model& model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  const Model& model() const;
  int64_t position() const;      ///< tokens held
  int64_t context() const;       ///< tokens that fit
  bool shifts_context() const;   ///< SessionOptions::context_shift
  int64_t cache_bytes() const;   ///< memory of keys and values now, what forks share included
  CacheType cache_type() const;  ///< how keys and values are kept; never kAuto
  int threads() const;           ///< that compute, never 0
  /// All ids that it holds, in order; valid until the next call that changes them.
  std::span<const int32_t> tokens() const;

  /// Appends ids and returns the logits [vocab] after the last one; valid until the next call.
  /// Throws Error(kOutOfRange) when they do not fit (with context_shift they always do),
  /// Error(kInvalidArgument) for no ids or unknown ones, Error(kCancelled) when cancel or
  /// on_progress ended it.
  std::span<const float> feed(std::span<const int32_t> ids);
  /// As feed, but gives the logits of every token from ids[first] on: sink(index in ids, logits
  /// [vocab]). What sink throws ends it behind the chunk that is computed. Throws
  /// Error(kInvalidArgument) for a `first` that is none of the ids, too.
  void evaluate(std::span<const int32_t> ids, int64_t first,
                const std::function<void(int64_t, std::span<const float>)>& sink);
  /// Makes the session hold exactly `ids`, of which the beginning that it holds already is not
  /// computed again, and returns the logits after the last one as feed does, with its errors.
  std::span<const float> prompt(std::span<const int32_t> ids);
  /// Ids that the last prompt() did not have to compute.
  int64_t reused() const;
  /// Called after each chunk of feed, evaluate, prompt and generate with how many of the ids that
  /// the call has to compute are done; false cancels the call, unless that was the last chunk. What
  /// is computed stays in the session, which can go on from there. {} ends it.
  void on_progress(std::function<bool(int64_t done, int64_t total)> callback);
  /// Ends the call that is at work (feed, evaluate, prompt or generate) within a layer of the
  /// model: feed, evaluate and prompt with Error(kCancelled), generate with
  /// StopReason::kCancelled. The chunk of tokens being computed is dropped, those before it stay,
  /// and the session can go on from there. Does nothing when no call is at work, or when it has
  /// computed all already; a second time does no more than the first. From any thread, from a
  /// callback and from a signal handler, while the session is neither moved nor destroyed.
  void cancel() noexcept;

  /// Forgets all tokens.
  void reset();
  /// Forgets the tokens from `position` on. Throws Error(kInvalidArgument) for a position beyond
  /// the last, or one whose keys a sliding window has passed by; 0 always works.
  void rewind(int64_t position);
  /// A session with the same tokens, options and logits. Keys and values are shared, and copied
  /// page by page where one of the two goes on; each may be used by a thread of its own.
  Session fork() const;
  /// Writes tokens, logits, keys and values to a file that appears under its name when it is whole.
  /// Throws Error(kIo).
  void save(const std::string& path) const;
  /// A session as it was saved: what is computed from here on is what the saved one would have
  /// computed, bit by bit. CacheType::kAuto takes the file's. Throws Error(kFormat) for a file that
  /// is damaged, Error(kInvalidArgument) for one of another model, window or cache type, and
  /// Error(kOutOfRange) when its tokens do not fit the context.
  static Session restore(const Model& model, const std::string& path,
                         const SessionOptions& options = {});
  /// Called for each token in each layer of a mixture from now on; {} ends it.
  void trace_routing(std::function<void(const RoutedToken&)> observer);
  /// The ops since the session was made or reset_profile was called, in the order of a pass. Empty
  /// without SessionOptions::profile.
  std::vector<OpProfile> profile() const;
  void reset_profile();

  struct OCTAVO_HIDDEN Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// How tokens are chosen. The defaults are a plain, slightly cooled distribution; docs/sampling.md
/// has every stage's formula and source.
struct SamplingOptions {
  float temperature = 0.8f;     ///< 0: greedy, the most likely token (ties to the lower id)
  int top_k = 40;               ///< choose among the most likely; 0: off
  float top_p = 0.95f;          ///< among the most likely that make up this probability; 1: off
  float min_p = 0.05f;          ///< among those with this share of the best one's; 0: off
  float typical_p = 1;          ///< locally typical tokens that make up this probability; 1: off
  float repeat_penalty = 1.0f;  ///< divides logits of recent tokens; 1: off
  int repeat_window = 64;       ///< tokens that the three penalties look back on
  uint64_t seed = 0;

  float frequency_penalty = 0;  ///< off logits, for each time a token is in the window; 0: off
  float presence_penalty = 0;   ///< off logits, if a token is in the window at all; 0: off
  float dry_multiplier = 0;     ///< weakens what goes on with a repeated sequence; 0: off
  float dry_base = 1.75f;       ///< how fast that grows with the sequence's length
  int dry_allowed_length = 2;   ///< shorter sequences may repeat
  int dry_window = 0;           ///< tokens to look for sequences in; 0: all
  /// A token whose text has one of these ends a sequence. Needs a sampler that knows the model.
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};
  float xtc_probability = 0;   ///< how often the top choices are dropped; 0: off
  float xtc_threshold = 0.1f;  ///< what counts as a top choice; the least likely of them stays
  float dynatemp_range = 0;    ///< the temperature moves so far up and down by entropy; 0: off
  float dynatemp_exponent = 1;
  bool mirostat = false;      ///< mirostat 2, in the place of top-k to XTC
  float mirostat_tau = 5;     ///< bits of surprise a token aimed at
  float mirostat_eta = 0.1f;  ///< how fast that is corrected
  /// Added to the logits of ids; minus infinity forbids one.
  std::vector<std::pair<int32_t, float>> logit_bias = {};

  /// What the text must match: a grammar in GBNF, or a JSON schema. Empty: anything. One of the
  /// two; needs a sampler that knows the model.
  std::string grammar = {};
  std::string json_schema = {};
};

/// A token and the natural logarithm of its probability.
struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};

/// Chooses tokens. Stages in order: logit bias, grammar, penalties, DRY, top-k, typical, top-p,
/// min-p, XTC, temperature.
class OCTAVO_API Sampler {
 public:
  /// Throws Error(kInvalidArgument) for values outside their range, for a fault in a grammar, and
  /// for options that need a model.
  explicit Sampler(const SamplingOptions& options = {});
  /// Knows the vocabulary: with grammars and DRY's breakers.
  Sampler(const Model& model, const SamplingOptions& options);
  ~Sampler();
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;

  /// Throws what the constructors would, without a model.
  static void check(const SamplingOptions& options);

  /// Remembers a token of the prompt for the penalties (sample does so itself for what it returns).
  /// No grammar applies to it.
  void accept(int32_t id);
  /// Text comes before what is sampled, though accept has seen none: a space in front of the first
  /// token counts.
  void continue_text();
  /// Throws Error(kUnsupported) when no token can go on with the grammar, Error(kInvalidArgument)
  /// for no logits, or not as many as the model that it knows has tokens.
  int32_t sample(std::span<const float> logits);
  /// The grammar is complete and allows nothing more.
  bool finished() const;

  /// What the model itself says, before any stage: `id` first, then the `count` most likely tokens,
  /// or all there are. Throws Error(kInvalidArgument) for an id that has no logit, or a count below
  /// 0.
  static std::vector<TokenLogprob> logprobs(std::span<const float> logits, int32_t id, int count);

 private:
  struct OCTAVO_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

/// One generated token. `text` is whole UTF-8: a character split over tokens comes with its last
/// byte, and what may be the beginning of a stop text when it turned out to be none.
struct Token {
  int32_t id = 0;
  std::string text;
  float logprob = 0;                       ///< with GenerateOptions::logprobs of 0 or more
  std::span<const TokenLogprob> top = {};  ///< the most likely, best first; during the callback
};

enum class StopReason {
  kEos,          ///< the model ended its text, or the grammar did
  kMaxTokens,    ///< GenerateOptions::max_tokens
  kContextFull,  ///< there is no room for more
  kCallback,     ///< on_token returned false
  kStopText,     ///< one of GenerateOptions::stop
  kCancelled,    ///< Session::cancel, GenerateOptions::cancel, or on_progress returned false
};

/// Whether later tokens are guessed and checked together; what is generated stays the same.
enum class Speculation { kAuto, kOff, kOn };

struct GenerateOptions {
  int64_t max_tokens = 128;  ///< negative: until EOS or the context is full
  /// The prompt is all that comes before, not what is appended to the session: as Session::prompt.
  bool whole_prompt = false;
  /// The text ends in front of the first of these that it would have; of those that begin at the
  /// same place the first in the list counts.
  std::vector<std::string> stop = {};
  /// Log probabilities as the model has them, before any stage of the sampler. -1: none; 0: of the
  /// token; more: and of that many most likely tokens.
  int logprobs = -1;
  /// Ends the call as Session::cancel does; requested before the call, nothing is computed.
  std::stop_token cancel = {};
  Speculation speculation = Speculation::kAuto;
};

struct GenerateResult {
  StopReason reason = StopReason::kEos;
  int stop_index = -1;  ///< which of GenerateOptions::stop; -1: none
  int64_t prompt_tokens = 0;
  int64_t reused = 0;            ///< of the prompt's tokens, with whole_prompt: were there already
  int64_t generated_tokens = 0;  ///< that on_token had; EOS is none
  /// Tokens, EOS included, that decode_seconds went to: the first comes out of the prompt's pass.
  int64_t decoded_tokens = 0;
  double prefill_seconds = 0;  ///< until there was something to choose the first token from
  double decode_seconds = 0;   ///< computing alone, without sampling and on_token
  int64_t drafted = 0;         ///< tokens that speculation guessed
  int64_t accepted = 0;        ///< of those: were right
};

using TokenCallback = std::function<bool(const Token&)>;

/// Feeds `prompt` and generates until EOS (or the end of the grammar, which is the same), a stop
/// text, the limit, the context's end, a cancel, or until on_token returns false; on_token may be
/// empty. The last token that it gives is not in the session yet. A cancel is a result like others,
/// nothing is thrown; what was held back then is not given. `prompt` may be session.tokens() with
/// whole_prompt: to go on where the session is. Throws Error(kInvalidArgument) for an empty prompt
/// or options that make no sense, Error(kOutOfRange) for a prompt that does not fit, and
/// Error(kUnsupported) for stop texts on a model without a tokenizer; the session is then as
/// before. Sampler::sample may throw on the way, for a grammar that no token goes on with; the
/// session then holds what was computed.
OCTAVO_API GenerateResult generate(Session& session, std::span<const int32_t> prompt,
                                   const GenerateOptions& options, const SamplingOptions& sampling,
                                   const TokenCallback& on_token);
/// The answer to a conversation, encoded as Model::encode_chat does and always the whole prompt:
/// what of it the session holds already is not computed again. Throws what encode_chat does, too.
OCTAVO_API GenerateResult generate(Session& session, std::span<const ChatMessage> messages,
                                   const GenerateOptions& options, const SamplingOptions& sampling,
                                   const TokenCallback& on_token, const ChatOptions& chat = {});

}  // namespace octavo
