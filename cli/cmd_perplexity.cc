// octavo perplexity: how well a model predicts a text, measured exactly as llama.cpp's
// llama-perplexity does.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "core/error.h"
#include "files.h"
#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {
namespace {

struct PerplexityArguments {
  ModelArguments model;
  std::string file;
};

/// Of the negative log-likelihoods seen so far.
class Score {
 public:
  void add(double loss) {
    sum_ += loss;
    sum_of_squares_ += loss * loss;
    ++count_;
  }
  double perplexity() const { return std::exp(mean()); }
  /// Standard error of the mean, carried through exp().
  double error() const {
    if (count_ < 2) return 0;
    const double variance = sum_of_squares_ / static_cast<double>(count_) - mean() * mean();
    return std::sqrt(std::max(variance, 0.0) / static_cast<double>(count_ - 1)) * perplexity();
  }

 private:
  double mean() const { return sum_ / static_cast<double>(count_); }

  double sum_ = 0, sum_of_squares_ = 0;
  int64_t count_ = 0;
};

/// -log softmax(logits)[id]
double negative_log_likelihood(std::span<const float> logits, int32_t id) {
  const float best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - best);
  return std::log(sum) + best - logits[static_cast<size_t>(id)];
}

std::vector<int32_t> read_tokens(const Model& model, const PerplexityArguments& arguments) {
  std::vector<int32_t> ids = model.tokenize(read_file(arguments.file));
  const int64_t count = static_cast<int64_t>(ids.size());
  if (count < arguments.model.context) {
    fail(ErrorCode::kInvalidArgument,
         "{} has only {} tokens, fewer than one chunk of {}; use a longer text or a smaller --ctx",
         arguments.file, count, arguments.model.context);
  }
  return ids;
}

int measure(const PerplexityArguments& arguments) {
  const Model model = Model::open(arguments.model.path);
  std::vector<int32_t> ids = read_tokens(model, arguments);
  const int64_t context = arguments.model.context;
  SessionOptions options = session_options(arguments.model);
  options.batch = context < 512 ? context : 512;
  Session session(model, options);
  const int64_t chunks = static_cast<int64_t>(ids.size()) / context;
  const bool show = ::isatty(STDERR_FILENO) != 0;
  Score score;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const auto tokens =
        std::span(ids).subspan(static_cast<size_t>(chunk * context), static_cast<size_t>(context));
    if (model.info().bos >= 0) tokens.front() = model.info().bos;
    session.reset();
    // Only tokens with at least half a context before them count; the last one predicts nothing
    // known.
    session.evaluate(tokens, context / 2, [&](int64_t j, std::span<const float> logits) {
      if (j + 1 == context) return;
      score.add(negative_log_likelihood(logits, tokens[static_cast<size_t>(j + 1)]));
    });
    if (show) {
      std::fputs(fmt::format("\r{} of {} chunks, so far {:.4f} ± {:.4f} ", chunk + 1, chunks,
                             score.perplexity(), score.error())
                     .c_str(),
                 stderr);
    }
  }
  if (show) std::fputs("\n", stderr);
  write_output(fmt::format("{:.4f} ± {:.4f}\n", score.perplexity(), score.error()));
  return kExitDone;
}

}  // namespace

void add_perplexity_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command =
      app.add_subcommand("perplexity", "Measure how well the model predicts a text");
  const auto arguments = std::make_shared<PerplexityArguments>();
  arguments->model.context = 512;
  add_model_argument(*command, arguments->model.path);
  command->add_option("-f,--file", arguments->file, "The text, at least --ctx tokens of it")
      ->type_name("FILE")
      ->required();
  add_threads_option(*command, arguments->model.threads);
  add_context_option(*command, arguments->model.context, 8,
                     "Tokens in a chunk; the second half of each is scored (default: 512)");
  command->footer(
      "Prints \"perplexity ± standard error\"; lower is better. The protocol is that of "
      "llama.cpp's\n"
      "llama-perplexity, so the figures compare.");
  command->callback([arguments, &action] { action = [arguments] { return measure(*arguments); }; });
}

}  // namespace octavo::cli
