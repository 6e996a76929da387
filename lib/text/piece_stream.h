// Ids in one by one, text out: what is shown while a model generates, and whole-text decoding
// alike.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "text/tokenizer.h"
#include "text/utf8_stream.h"

namespace octavo {

class PieceStream {
 public:
  /// `at_start`: no text comes before, so the space that encoding put there is taken away again.
  /// The tokenizer must outlive the stream.
  explicit PieceStream(const Tokenizer& tokenizer, bool at_start = true)
      : tokenizer_(tokenizer), at_start_(at_start) {}

  /// Text that is whole with this id; ids beyond the tokenizer's own (a padded vocabulary) have
  /// none.
  std::string add(int32_t id);
  /// The end: bytes of an unfinished character become U+FFFD.
  std::string finish() { return bytes_.finish(); }

 private:
  const Tokenizer& tokenizer_;
  Utf8Stream bytes_;
  bool at_start_;
};

/// Text of all `ids`.
std::string decode(const Tokenizer& tokenizer, std::span<const int32_t> ids);

}  // namespace octavo
