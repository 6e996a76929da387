#include "scored_text.h"

#include <algorithm>
#include <cmath>

#include "errors.h"
#include "files.h"
#include "signals_cancel.h"

namespace octavo::cli {

double Score::mean_error() const {
  if (count_ < 2) return 0;
  const double variance = sum_of_squares_ / static_cast<double>(count_) - mean() * mean();
  return std::sqrt(std::max(variance, 0.0) / static_cast<double>(count_ - 1));
}

double Score::perplexity() const { return std::exp(mean()); }

double log_sum_exp(std::span<const float> logits) {
  const float best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - best);
  return std::log(sum) + best;
}

ScoredText::ScoredText(const Model& model, const std::string& file, int64_t context, int64_t most,
                       Scored scored)
    : context_(context), scored_(scored), ids_(model.tokenize(read_file(file))) {
  const auto count = static_cast<int64_t>(ids_.size());
  if (count < context) {
    fail(ErrorCode::kInvalidArgument,
         "{} has only {} token{}, fewer than one chunk of {}; use a longer text or a smaller --ctx",
         file, count, count == 1 ? "" : "s", context);
  }
  const int64_t whole = count / context;
  ids_.resize(static_cast<size_t>((most > 0 ? std::min(most, whole) : whole) * context));
  if (model.info().bos < 0) return;
  for (int64_t i = 0; i < chunks(); ++i) ids_[static_cast<size_t>(i * context)] = model.info().bos;
}

std::span<const int32_t> ScoredText::chunk(int64_t index) const {
  return std::span(ids_).subspan(static_cast<size_t>(index * context_),
                                 static_cast<size_t>(context_));
}

SessionOptions options_for(const ScoredText& text, const ModelArguments& arguments) {
  SessionOptions options = session_options(arguments);
  options.context = text.context();
  options.chunk = std::min(text.context(), options.chunk);
  return options;
}

void score_part(Session& session, const ScoredText& text, int64_t chunk, int64_t first,
                int64_t last, const std::function<void(int64_t, std::span<const float>)>& sink) {
  const auto part =
      text.chunk(chunk).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
  const SignalsCancel cancelled(session);
  const int64_t scored = std::max<int64_t>(text.first_scored() - first, 0);
  if (scored >= last - first) {
    session.feed(part);
    return;
  }
  session.evaluate(part, scored, [&](int64_t i, std::span<const float> logits) {
    // The chunk's last token predicts nothing that is known.
    if (first + i + 1 < text.context()) sink(first + i + 1, logits);
  });
}

}  // namespace octavo::cli
