// The next token of a text, and those that may come after it (api/lookahead.h).
#include <algorithm>
#include <chrono>

#include "api/session_impl.h"

namespace octavo {

Session::Impl::Computed Session::Impl::feed_next(int32_t id, int64_t wanted) {
  if (!cancelled && lookahead.accept(id)) {
    tokens.push_back(id);
    const std::span<const float> known = lookahead.logits();
    std::copy(known.begin(), known.end(), logits.begin());
    if (progress) progress(1, 1);
    return {1, 1};
  }
  settle();
  // Who looks at the routing sees the tokens of the text alone.
  const int64_t most = transformer.is_observed() ? 1 : transformer.independent_rows();
  const auto start = std::chrono::steady_clock::now();
  const std::span<const int32_t> plan = lookahead.plan(id, std::min(most, wanted));
  const auto rows = static_cast<int64_t>(plan.size());
  const Computed computed = rows == 1 ? feed(std::span(&id, 1)) : compute_ahead(plan);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  if (computed.all()) lookahead.note_pass(rows, taken.count(), transformer.experts_touched());
  return computed;
}

Session::Impl::Computed Session::Impl::compute_ahead(std::span<const int32_t> ids) {
  const int64_t vocab = model.info().vocab;
  const auto keep = [&](int64_t first, int64_t rows, std::span<const float> values) {
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(values.begin() + row * vocab, vocab, lookahead.logits_of(first + row).begin());
    }
  };
  bool is_computed = false;
  try {
    is_computed = transformer.forward(ids, Logits::kAll, keep);
  } catch (...) {
    lookahead.forget();
    throw;
  }
  if (!is_computed) {
    lookahead.forget();
    return {0, 1};
  }
  tokens.push_back(ids.front());
  const std::span<const float> behind = lookahead.logits();
  std::copy(behind.begin(), behind.end(), logits.begin());
  if (progress) progress(1, 1);
  return {1, 1};
}

void Session::Impl::settle() {
  lookahead.forget();
  if (transformer.position() != position()) transformer.rewind(position());
}

}  // namespace octavo
