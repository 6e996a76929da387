#include "text_run.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "commands.h"
#include "errors.h"
#include "files.h"
#include "profile_table.h"
#include "signals_cancel.h"

namespace octavo::cli {
namespace {

// A signal handler has nothing else to write to.
volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_RESETHAND;  // a second Ctrl-C kills
  ::sigaction(SIGINT, &action, nullptr);
}

/// Until the first token there is nothing to end cleanly, unless there is a session to save.
void leave_at_once(int) { ::_exit(kExitInterrupted); }
void end_within_this_token(int) {
  interrupted = 1;
  SignalsCancel::cancel();
}

void print_rate(const char* what, int64_t tokens, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  std::fprintf(stderr, "%-9s %6lld tokens %9.2f s %9.1f tokens/s\n", what,
               static_cast<long long>(tokens), seconds, rate);
}

const char* reason_text(StopReason reason) {
  switch (reason) {
    case StopReason::kEos:
      return "the model ended its text";
    case StopReason::kMaxTokens:
      return "as many tokens as asked for (-n)";
    case StopReason::kContextFull:
      return "the context is full (--ctx)";
    case StopReason::kCallback:
    case StopReason::kCancelled:
      return "interrupted";
    case StopReason::kStopText:
      return "a stop text";
  }
  return "";
}

/// `prefill`: the profile when the first token came out.
void print_stats(const Session& session, const RunArguments& arguments,
                 const GenerateResult& result, const std::vector<OpProfile>& prefill) {
  const ModelInfo& info = session.model().info();
  std::fprintf(stderr, "\n%-9s %s, %s\n", "model", info.format.c_str(), info.device.c_str());
  const int64_t computed = result.prompt_tokens - result.reused, decoded = result.decoded_tokens;
  if (!arguments.session.path.empty()) {
    std::fprintf(stderr, "%-9s %6lld tokens of the prompt from %s\n", "reused",
                 static_cast<long long>(result.reused), arguments.session.path.c_str());
  }
  print_rate("prompt", computed, result.prefill_seconds);
  print_rate("decode", decoded, result.decode_seconds);
  if (result.drafted > 0) {
    std::fprintf(stderr, "%-9s %6lld tokens, of which %lld were right (--speculate)\n", "drafted",
                 static_cast<long long>(result.drafted), static_cast<long long>(result.accepted));
  }
  std::fprintf(stderr, "%-9s %6lld tokens, then stopped: %s\n", "output",
               static_cast<long long>(result.generated_tokens), reason_text(result.reason));
  std::fprintf(stderr, "%-9s %lld of %lld tokens, keys and values %.1f MB\n", "context",
               static_cast<long long>(session.position()),
               static_cast<long long>(session.context()),
               static_cast<double>(session.cache_bytes()) / 1e6);
  std::fprintf(stderr, "%-9s %llu\n", "seed",
               static_cast<unsigned long long>(arguments.sampling.seed));
  const std::string tables = profile_table(Pass::kPrefill, computed, prefill) +
                             profile_table(Pass::kDecode, decoded, session.profile());
  std::fputs(("\n" + tables).c_str(), stderr);
}

}  // namespace

void TextRun::catch_interrupts() { on_interrupt(leave_at_once); }

TextRun::TextRun(const RunArguments& arguments, const Model& model, const SessionOptions& options)
    : arguments_(arguments),
      saves_(!arguments.session.path.empty()),
      chunk_(options.chunk),
      session_(open_session(model, arguments.session, options)),
      restored_(session_.position()) {}

std::vector<int32_t> TextRun::held() const {
  if (restored_ == 0) {
    fail(ErrorCode::kInvalidArgument, "{} holds no text to go on with; give -p TEXT or -f FILE",
         arguments_.session.path);
  }
  return {session_.tokens().begin(), session_.tokens().end()};
}

int TextRun::finish(std::span<const int32_t> prompt) {
  if (saves_) on_interrupt(end_within_this_token);
  bar_.emplace("prompt", "tokens");
  session_.on_progress([this](int64_t done, int64_t total) {
    if (bar_ && total > chunk_) bar_->show(done, total);
    return !saves_ || interrupted == 0;
  });
  generate_from(prompt);
  if (!prefill_ended_) return end_within_prompt(prompt.size());
  write_output("\n");
  if (arguments_.stats) print_stats(session_, arguments_, result_, prefill_);
  if (saves_) save();
  return interrupted != 0 ? kExitInterrupted : kExitDone;
}

void TextRun::generate_from(std::span<const int32_t> prompt) {
  const SignalsCancel cancelled(session_);
  const GenerateOptions options = {.max_tokens = arguments_.max_tokens,
                                   .whole_prompt = saves_,
                                   .speculation = arguments_.speculation};
  result_ = generate(session_, prompt, options, arguments_.sampling, [this](const Token& token) {
    end_prefill();
    last_ = token.id;
    write_output(token.text);
    return interrupted == 0;
  });
  if (result_.reason != StopReason::kCancelled) end_prefill();  // it may have ended at once
}

void TextRun::end_prefill() {
  if (prefill_ended_) return;
  prefill_ended_ = true;
  bar_.reset();
  if (!saves_) on_interrupt(end_within_this_token);
  if (saves_ && !arguments_.session_all) kept_.emplace(session_.fork());
  prefill_ = session_.profile();
  session_.reset_profile();
}

int TextRun::end_within_prompt(size_t tokens) {
  bar_.reset();
  const std::string& path = arguments_.session.path;
  session_.save(path);
  std::fprintf(stderr,
               "octavo: stopped after %lld of %zu tokens of the prompt; %s has them, the same "
               "command goes on\n",
               static_cast<long long>(session_.position()), tokens, path.c_str());
  return kExitInterrupted;
}

void TextRun::save() {
  const std::string& path = arguments_.session.path;
  if (arguments_.session_all) {
    const bool has_room = session_.shifts_context() || session_.position() < session_.context();
    const bool is_open = result_.generated_tokens > 0 && result_.reason != StopReason::kEos;
    if (is_open && has_room) session_.feed(std::span(&last_, 1));
    session_.save(path);
  } else if (restored_ != result_.prompt_tokens || result_.reused != result_.prompt_tokens) {
    kept_->save(path);
  }  // else the file has it already
}

}  // namespace octavo::cli
