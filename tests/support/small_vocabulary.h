// A tokenizer that only knows its pieces, for tests of what is done with them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace octavo::test {

/// Ids: 0 unknown, 1 BOS, 2 EOS, 3 to 258 the bytes, then `texts` as SentencePiece has them.
class SmallVocabulary final : public Tokenizer {
 public:
  static constexpr int32_t kEos = 2, kFirstByte = 3, kFirstText = 259;

  explicit SmallVocabulary(std::vector<std::string> texts,
                           LeadingSpace leading_space = LeadingSpace::kDropOne)
      : texts_(std::move(texts)), leading_space_(leading_space) {}

  int32_t size() const override { return kFirstText + static_cast<int32_t>(texts_.size()); }
  std::vector<int32_t> encode(std::string_view) const override { return {}; }
  Piece piece(int32_t id) const override {
    if (id == 0) return {PieceKind::kUnknown, "<unk>", " \xE2\x81\x87 "};
    if (id < kFirstByte) return {};
    if (id < kFirstText) {
      return {PieceKind::kByte, "<byte>", std::string(1, static_cast<char>(id - kFirstByte))};
    }
    Piece piece = {PieceKind::kText, "", texts_[static_cast<size_t>(id - kFirstText)]};
    for (const char c : piece.text) {
      if (c == ' ') {
        piece.name += "\xE2\x96\x81";
      } else {
        piece.name += c;
      }
    }
    return piece;
  }
  LeadingSpace leading_space() const override { return leading_space_; }

 private:
  std::vector<std::string> texts_;
  LeadingSpace leading_space_;
};

}  // namespace octavo::test
