// octavo passkey: does the model find a number again that stands far back in its context?
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "commands.h"
#include "errors.h"
#include "files.h"
#include "octavo/octavo.hpp"
#include "options.h"
#include "passkey_prompt.h"
#include "passkey_report.h"
#include "progress.h"
#include "signals_cancel.h"

namespace octavo::cli {
namespace {

constexpr int64_t kFirstLength = 1024, kLastLength = 32768;  // of the lengths that are not given

std::vector<int64_t> usual_lengths(int64_t context) {
  std::vector<int64_t> lengths;
  for (int64_t length = kFirstLength; length <= std::min(context, kLastLength); length *= 2) {
    lengths.push_back(length);
  }
  if (lengths.empty()) lengths.push_back(context);
  return lengths;
}

std::vector<int64_t> in_order(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

/// Asks for keys and keeps the answers.
class PasskeyRun {
 public:
  PasskeyRun(const Model& model, const PasskeyArguments& arguments)
      : arguments_(arguments), model_(model), prompts_(model) {
    const int64_t context = model.info().context;
    result_.lengths =
        in_order(arguments.lengths.empty() ? usual_lengths(context) : arguments.lengths);
    result_.depths = in_order(arguments.depths);
    if (result_.lengths.back() > context) {
      fail(ErrorCode::kInvalidArgument, "a length of {} is more than the context of {}, {} tokens",
           result_.lengths.back(), arguments.model.path, context);
    }
    if (result_.lengths.front() < prompts_.least_length()) {
      fail(ErrorCode::kInvalidArgument,
           "a length of {} is too short: the test needs at least {} tokens with this model",
           result_.lengths.front(), prompts_.least_length());
    }
    ModelArguments sizes = arguments.model;
    sizes.context = result_.lengths.back();
    session_.emplace(model, session_options(sizes));
    result_.cache = session_->cache_type();
    plan();
  }

  int64_t prompts() const { return static_cast<int64_t>(planned_.size()); }
  int64_t tokens() const { return total_; }
  const PasskeyResult& result() const { return result_; }

  /// False when stopped.
  bool run(ProgressBar& bar, const StopRequest& stop) {
    return for_each_prompt([&](PasskeyAnswer asked) {
      if (!ask(asked, bar, stop)) return false;
      result_.answers.push_back(std::move(asked));
      return true;
    });
  }

 private:
  /// visit(what to ask): false ends.
  template <class Visit>
  bool for_each_prompt(Visit visit) const {
    for (const int64_t length : result_.lengths) {
      for (const int64_t depth : result_.depths) {
        for (int64_t trial = 0; trial < arguments_.trials; ++trial) {
          const int64_t key = passkey(arguments_.seed, length, depth, trial);
          if (!visit(PasskeyAnswer{length, depth, key, "", false})) return false;
        }
      }
    }
    return true;
  }

  /// Counts the tokens that each prompt has to compute. Those before its key are often the ones of
  /// the prompt before it, which the session still holds; a window may have passed them by.
  void plan() {
    std::vector<int32_t> held;
    for_each_prompt([&](const PasskeyAnswer& asked) {
      const PasskeyPrompt prompt = prompts_.build(asked.length, asked.depth, asked.key);
      const auto differ =
          std::mismatch(held.begin(), held.end(), prompt.ids.begin(), prompt.ids.end());
      const bool kept = model_.info().window == 0;
      planned_.push_back(prompt.ids.end() - (kept ? differ.second : prompt.ids.begin()));
      total_ += planned_.back();
      held = prompt.ids;
      return true;
    });
  }

  bool ask(PasskeyAnswer& asked, ProgressBar& bar, const StopRequest& stop) {
    const PasskeyPrompt prompt = prompts_.build(asked.length, asked.depth, asked.key);
    const int64_t planned = planned_[result_.answers.size()];
    session_->on_progress([&](int64_t done, int64_t) {
      bar.show(done_ + std::min(done, planned), total_, note());
      return !stop.requested();
    });
    const SignalsCancel cancelled(*session_);
    const std::span<const float> logits = session_->prompt(prompt.ids);  // [vocab]
    if (stop.requested()) return false;
    session_->on_progress({});
    done_ += planned;
    asked.text = model_.detokenize(answer(logits, prompt.answer_tokens));
    asked.correct = is_passkey(asked.text, asked.key);
    return true;
  }

  /// The most likely tokens, at most `most`, from the logits after a prompt on.
  std::vector<int32_t> answer(std::span<const float> logits, int64_t most) {
    std::vector<int32_t> ids;
    while (true) {
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      ids.push_back(static_cast<int32_t>(best));
      const bool full = static_cast<int64_t>(ids.size()) == most;
      if (full || ids.back() == model_.info().eos) return ids;
      logits = session_->feed({&ids.back(), 1});
    }
  }

  std::string note() const {
    const size_t asked = result_.answers.size();
    if (asked == 0) return "";
    return fmt::format("{:.0f} % of {} correct",
                       100 * result_.accuracy(PasskeyResult::kEvery, PasskeyResult::kEvery), asked);
  }

  const PasskeyArguments& arguments_;
  const Model model_;
  const PasskeyPrompts prompts_;
  std::optional<Session> session_;
  PasskeyResult result_;
  std::vector<int64_t> planned_;  ///< tokens to compute, a prompt each
  int64_t done_ = 0, total_ = 0;  ///< of them
};

int measure(const PasskeyArguments& arguments) {
  const Model model = open_model(arguments.model);
  PasskeyRun run(model, arguments);
  std::optional<AtomicFile> svg;  // here, so that a wrong path shows before the work
  if (!arguments.svg.empty()) svg.emplace(arguments.svg);
  const StopRequest stop;
  {
    if (::isatty(STDERR_FILENO) == 1) {
      std::fputs(
          fmt::format("{} prompts of {} to {} tokens, {} tokens to compute\n", run.prompts(),
                      run.result().lengths.front(), run.result().lengths.back(), run.tokens())
              .c_str(),
          stderr);
    }
    ProgressBar bar("asking", "tokens");
    if (!run.run(bar, stop)) return kExitInterrupted;
  }
  if (svg) {
    svg->write(passkey_svg(arguments, run.result()));
    svg->finish();
  }
  write_output(arguments.as_json ? passkey_json(arguments, run.result(), model.info())
                                 : passkey_text(arguments, run.result()));
  return kExitDone;
}

}  // namespace

void add_passkey_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand(
      "passkey", "Test whether the model finds a number that stands far back in its context");
  const auto arguments = std::make_shared<PasskeyArguments>();
  add_model_argument(*command, arguments->model.path);
  const auto list = [&](const char* name, std::vector<int64_t>& values, const char* help,
                        const CLI::Validator& check) {
    return command->add_option(name, values, help)
        ->type_name("N,N")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(check);
  };
  list("--lengths", arguments->lengths,
       "Lengths of the text in tokens, question and answer included (default: 1024 and on, "
       "doubling, to the model's context or 32768)",
       whole_number(1));
  list("--depths", arguments->depths,
       "Where the number stands, in percent of the text: 0 at its start, 100 at its end (default: "
       "0,10,...,100)",
       whole_number(0, 100));
  command->add_option("--trials", arguments->trials, "Numbers for each length and depth")
      ->type_name("N")
      ->check(whole_number(1))
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "The same seed gives the same numbers")
      ->type_name("S")
      ->capture_default_str();
  add_threads_option(*command, arguments->model.threads);
  add_window_option(*command, arguments->model.window);
  add_cache_options(*command, arguments->model);
  add_device_option(*command, arguments->model.device);
  add_offload_options(*command, arguments->model);
  command->add_option("--svg", arguments->svg, "Also draw the table as a heat map")
      ->type_name("FILE");
  command->add_flag("--json", arguments->as_json, "The figures and all answers as JSON");
  command->footer(
      "Hides \"The pass key is 12345.\" in a long text that says nothing, asks for it at the end, "
      "and\n"
      "takes the most likely tokens as the answer. Prints a table: percent of correct answers by\n"
      "length and depth. It takes as long as a prefill of each text from its number on; a "
      "terminal\n"
      "shows the time left.\n"
      "Example:\n"
      "  octavo passkey mixtral.8vo --lengths 4096,16384 --depths 0,50,100 --svg passkey.svg");
  command->callback([arguments, &action] { action = [arguments] { return measure(*arguments); }; });
}

}  // namespace octavo::cli
