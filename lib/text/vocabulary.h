// What a SentencePiece model says of its vocabulary, read from its bytes. The library keeps some of
// it to itself (which pieces are user-defined, the space in front); other formats of a tokenizer
// need all of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Numbered as SentencePiece and ggml number them.
enum class PieceType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct VocabularyPiece {
  std::string name;  ///< "▁the", "<0x0A>", "<s>"
  float score = 0;
  PieceType type = PieceType::kNormal;
};

struct Vocabulary {
  std::vector<VocabularyPiece> pieces;  ///< by id
  bool is_bpe = false;                  ///< merges by score; else another kind of model
  bool adds_space = true;               ///< encoding puts a space in front of the text
  bool removes_extra_spaces = true;
};

/// Reads a serialized SentencePiece model. Throws Error(kFormat); `source` stands in the message.
Vocabulary read_vocabulary(std::string_view bytes, const std::string& source);

}  // namespace octavo
