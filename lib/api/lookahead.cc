#include "api/lookahead.h"

#include <algorithm>

namespace octavo {
namespace {

/// Experts' share of the weights that a token is computed with.
double expert_share(const ModelInfo& info) {
  if (info.experts == 0) return 0;
  const int64_t experts = info.experts_per_token * 3 * info.dim * info.ffn_dim;
  const int64_t attention = 2 * (info.heads + info.kv_heads) * info.head_dim * info.dim;
  const double output = static_cast<double>(info.vocab * info.dim);
  const auto in_layers = static_cast<double>(info.layers * (experts + attention));
  return static_cast<double>(info.layers * experts) / (in_layers + output);
}

PassShape pass_shape(const ModelInfo& info, int64_t most_rows) {
  return {.layers = info.layers,
          .experts = info.experts,
          .experts_per_token = info.experts_per_token,
          .expert_share = expert_share(info),
          .most_rows = most_rows};
}

}  // namespace

Lookahead::Lookahead(const ModelInfo& info, int64_t most_rows)
    : vocab_(info.vocab),
      most_rows_(most_rows),
      eos_(info.eos),
      policy_(pass_shape(info, most_rows)) {}

void Lookahead::begin(Speculation speculation, std::span<const int32_t> tokens) {
  speculation_ = speculation;
  drafted_ = accepted_ = 0;
  match_ = {};
  forget();
  if (!is_off()) lookup_.assign(tokens);
}

bool Lookahead::accept(int32_t id) {
  if (match_.length == 0) return false;
  // The first token that comes after the match shows what it is worth, drafted or not.
  const auto at = static_cast<size_t>(used_ - 1);
  if (at >= draft_.size()) return false;
  const bool came = id == draft_[at];
  policy_.note_token(match_.length + used_ - 1, came);
  if (!came || used_ >= static_cast<int64_t>(planned_.size())) return false;
  lookup_.add(id);
  ++used_;
  ++accepted_;
  return true;
}

int64_t Lookahead::draft_length(int64_t most) {
  if (match_.length == 0 || most < 1) return 0;
  return speculation_ == Speculation::kOn ? most : policy_.choose(match_.length, most);
}

std::span<const int32_t> Lookahead::plan(int32_t id, int64_t most) {
  planned_.assign(1, id);
  used_ = 1;
  match_ = {};
  if (is_off()) return planned_;
  lookup_.add(id);
  match_ = lookup_.find();
  if (match_.length == 0) return planned_;
  const int64_t length = draft_length(std::min(most, most_rows_) - 1);
  lookup_.draft(match_, std::max<int64_t>(1, length), draft_);
  // EOS is never computed with.
  const auto end = std::find(draft_.begin(), draft_.begin() + length, eos_);
  planned_.insert(planned_.end(), draft_.begin(), end);
  drafted_ += end - draft_.begin();
  return planned_;
}

std::span<float> Lookahead::logits_of(int64_t row) {
  if (logits_.empty()) logits_.resize(static_cast<size_t>(most_rows_ * vocab_));
  return std::span(logits_).subspan(static_cast<size_t>(row * vocab_), static_cast<size_t>(vocab_));
}

}  // namespace octavo
