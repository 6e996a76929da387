#include "watched_feed.h"

#include <algorithm>

namespace octavo::cli {

std::span<const float> feed_watched(Session& session, std::span<const int32_t> ids, int64_t chunk,
                                    const std::function<bool(int64_t)>& on_tokens) {
  std::span<const float> logits;
  while (!ids.empty()) {
    const size_t count = std::min(ids.size(), static_cast<size_t>(chunk));
    logits = session.feed(ids.first(count));
    ids = ids.subspan(count);
    if (!on_tokens(static_cast<int64_t>(count))) return {};
  }
  return logits;
}

}  // namespace octavo::cli
