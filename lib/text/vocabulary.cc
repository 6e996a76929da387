#include "text/vocabulary.h"

#include <bit>
#include <optional>

#include "core/error.h"

namespace octavo {
namespace {

// How a field of a protocol buffer is stored.
enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint64_t number = 0;
  Wire wire = Wire::kVarint;
  uint64_t value = 0;      // of all but kBytes
  std::string_view bytes;  // of kBytes
};

/// The fields of one message, in the order of the bytes.
class Message {
 public:
  Message(std::string_view bytes, const std::string& source) : rest_(bytes), source_(source) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t key = varint();
    Field field{key >> 3, static_cast<Wire>(key & 7), 0, {}};
    switch (field.wire) {
      case Wire::kVarint:
        field.value = varint();
        return field;
      case Wire::kFixed64:
        field.value = fixed(8);
        return field;
      case Wire::kFixed32:
        field.value = fixed(4);
        return field;
      case Wire::kBytes:
        field.bytes = take(varint());
        return field;
    }
    fail_damaged();
  }

  static constexpr int kLargestShift = 63;

  [[noreturn]] void fail_damaged() const {
    fail(ErrorCode::kFormat,
         "{}: the tokenizer is no valid SentencePiece model; convert the model again from a good "
         "tokenizer.model",
         source_);
  }

 private:
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) fail_damaged();
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  uint64_t fixed(int count) {
    const std::string_view bytes = take(static_cast<uint64_t>(count));
    uint64_t value = 0;
    for (int i = 0; i < count; ++i) {
      value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[static_cast<size_t>(i)]))
               << (8 * i);
    }
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift <= kLargestShift; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1).front());
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail_damaged();
  }

  std::string_view rest_;
  const std::string& source_;
};

// Numbers of the fields in SentencePiece's sentencepiece_model.proto.
constexpr uint64_t kPieces = 1, kTrainer = 2, kNormalizer = 3;
constexpr uint64_t kPieceName = 1, kPieceScore = 2, kPieceType = 3;
constexpr uint64_t kTrainerModelType = 3, kBpe = 2;
constexpr uint64_t kAddDummyPrefix = 3, kRemoveExtraWhitespaces = 4;

VocabularyPiece read_piece(std::string_view bytes, const std::string& source) {
  VocabularyPiece piece;
  Message message(bytes, source);
  while (const auto field = message.next()) {
    if (field->number == kPieceName && field->wire == Wire::kBytes) {
      piece.name = field->bytes;
    } else if (field->number == kPieceScore && field->wire == Wire::kFixed32) {
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field->value));
    } else if (field->number == kPieceType && field->wire == Wire::kVarint) {
      if (field->value < 1 || field->value > 6) message.fail_damaged();
      piece.type = static_cast<PieceType>(field->value);
    }
  }
  return piece;
}

/// A number of a message inside the model, or `fallback` when it is not there.
uint64_t number_in(std::string_view bytes, uint64_t number, uint64_t fallback,
                   const std::string& source) {
  Message message(bytes, source);
  while (const auto field = message.next()) {
    if (field->number == number && field->wire == Wire::kVarint) fallback = field->value;
  }
  return fallback;
}

}  // namespace

Vocabulary read_vocabulary(std::string_view bytes, const std::string& source) {
  Vocabulary vocabulary;
  Message message(bytes, source);
  while (const auto field = message.next()) {
    if (field->wire != Wire::kBytes) continue;
    if (field->number == kPieces) {
      vocabulary.pieces.push_back(read_piece(field->bytes, source));
    } else if (field->number == kTrainer) {
      vocabulary.is_bpe = number_in(field->bytes, kTrainerModelType, 1, source) == kBpe;
    } else if (field->number == kNormalizer) {
      vocabulary.adds_space = number_in(field->bytes, kAddDummyPrefix, 1, source) != 0;
      vocabulary.removes_extra_spaces =
          number_in(field->bytes, kRemoveExtraWhitespaces, 1, source) != 0;
    }
  }
  if (vocabulary.pieces.empty()) message.fail_damaged();
  return vocabulary;
}

}  // namespace octavo
