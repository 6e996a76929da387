// Text to ids and ids to pieces. Which library does it is nobody else's business.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

enum class PieceKind : uint8_t {
  kText,
  kByte,     ///< one raw byte of a character that has no piece of its own
  kControl,  ///< BOS, EOS: no text
  kUnknown,  ///< stands for what the vocabulary cannot say
};

/// One entry of the vocabulary.
struct Piece {
  PieceKind kind = PieceKind::kControl;
  std::string name;  ///< as the vocabulary spells it: "▁the", "<0x0A>", "<s>"
  std::string text;  ///< what it stands for: " the", "\n", ""
};

/// How decoding treats spaces in front of the whole text.
enum class LeadingSpace : uint8_t {
  kKeep,
  kDropOne,  ///< encoding puts one there, decoding takes it away
  kDropAll,
};

/// Immutable; safe to use from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Number of ids.
  virtual int32_t size() const = 0;
  /// Ids of UTF-8 text, without BOS and EOS. Bytes that are no UTF-8 count as U+FFFD.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  /// id in [0, size()).
  virtual Piece piece(int32_t id) const = 0;
  virtual LeadingSpace leading_space() const = 0;
};

/// The tokenizer in a model file's bytes; null when there are none or this build has no
/// SentencePiece. Throws Error(kFormat) for bytes that are no tokenizer; `source` stands in the
/// message.
std::unique_ptr<const Tokenizer> make_tokenizer(std::string_view bytes, const std::string& source);

}  // namespace octavo
