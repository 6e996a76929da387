#include "text/grammar/token_trie.h"

#include <algorithm>

#include "text/piece_stream.h"

namespace octavo {
namespace {

/// Longer tokens are never allowed: a node's depth is one byte, and no real token is so long.
constexpr size_t kMaxText = 255;

std::string text_of(const Tokenizer& tokenizer, int32_t id, bool at_start) {
  const Piece piece = tokenizer.piece(id);
  if (piece.kind == PieceKind::kByte) return piece.text;
  if (piece.kind != PieceKind::kText) return {};
  std::string text = piece.text;
  if (at_start) text = PieceStream(tokenizer, true).add(id);
  return text.size() <= kMaxText ? text : std::string();
}

}  // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer, bool at_start) {
  text_begin_.push_back(0);
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    texts_ += text_of(tokenizer, id, at_start);
    text_begin_.push_back(texts_.size());
    if (text_begin_[static_cast<size_t>(id) + 1] > text_begin_[static_cast<size_t>(id)]) {
      ids_.push_back(id);
    }
  }
  std::sort(ids_.begin(), ids_.end(), [this](int32_t a, int32_t b) {
    const int order = text(a).compare(text(b));
    return order != 0 ? order < 0 : a < b;
  });
  add_branches();
}

void TokenTrie::add_branches() {
  std::vector<size_t> path;  // nodes from the first byte to the last of `before`
  std::string_view before;
  const auto close_to = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) {
      nodes_[path.back()].end = static_cast<int32_t>(nodes_.size());
    }
  };
  for (size_t i = 0; i < ids_.size(); ++i) {
    const std::string_view now = text(ids_[i]);
    const auto parting = std::mismatch(before.begin(), before.end(), now.begin(), now.end()).first;
    close_to(static_cast<size_t>(parting - before.begin()));
    const auto place = static_cast<int32_t>(i);
    for (size_t depth = path.size(); depth < now.size(); ++depth) {
      path.push_back(nodes_.size());
      nodes_.push_back(
          {static_cast<uint8_t>(now[depth]), static_cast<uint8_t>(depth), 0, place, place});
    }
    nodes_[path.back()].last = place + 1;
    before = now;
  }
  close_to(0);
}

const TokenTrie& TokenTries::get(bool at_start) const {
  const size_t which = at_start ? 1 : 0;
  std::call_once(made_[which],
                 [&] { tries_[which] = std::make_unique<const TokenTrie>(tokenizer_, at_start); });
  return *tries_[which];
}

}  // namespace octavo
