// One run of `octavo run`, from an open model on: prompt, text, statistics, and the session file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "octavo/octavo.hpp"
#include "options.h"
#include "progress.h"
#include "session_option.h"

namespace octavo::cli {

struct RunArguments {
  ModelArguments model;
  TextArguments text;
  SamplingOptions sampling;
  Speculation speculation = Speculation::kAuto;
  int64_t max_tokens = 128;
  bool stats = false;
  SessionArguments session;
  bool session_all = false;  ///< what is generated is saved too
};

class TextRun {
 public:
  /// Until there is something to save or to end, Ctrl-C leaves at once.
  static void catch_interrupts();

  /// Opens the session. Throws Error for a session file that does not fit.
  TextRun(const RunArguments& arguments, const Model& model, const SessionOptions& options);

  /// What the session file holds. Throws Error(kInvalidArgument) when that is nothing.
  std::vector<int32_t> held() const;
  /// Everything else; the exit code.
  int finish(std::span<const int32_t> prompt);

 private:
  void generate_from(std::span<const int32_t> prompt);
  /// The session is behind the prompt and before what is generated.
  void end_prefill();
  int end_within_prompt(size_t tokens);
  void save();

  const RunArguments& arguments_;
  const bool saves_;
  const int64_t chunk_;
  Session session_;
  const int64_t restored_;  ///< tokens that the file had
  std::optional<ProgressBar> bar_;
  std::optional<Session> kept_;  ///< as it was behind the prompt
  GenerateResult result_;
  int32_t last_ = 0;  ///< of the tokens generated
  bool prefill_ended_ = false;
  std::vector<OpProfile> prefill_;
};

}  // namespace octavo::cli
