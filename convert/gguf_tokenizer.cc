#include "convert/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "convert/protobuf.h"
#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

// Numbers of GGUF and of SentencePiece alike.
constexpr int64_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6;
constexpr size_t kBytePieces = 256;

struct Vocabulary {
  std::vector<std::string_view> tokens;
  std::vector<float> scores;
  std::vector<int64_t> types;
  int64_t unknown = 0;  // its id
  bool has_bytes = false;
};

// SentencePiece refuses the same when it loads a model, but then nobody knows which token it was.
void check_pieces(const Vocabulary& vocabulary) {
  std::set<std::string_view> seen;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string_view token = vocabulary.tokens[id];
    if (token.empty() || token.find('\0') != token.npos) {
      fail(ErrorCode::kFormat, "token {} of the tokenizer is empty", id);
    }
    if (!seen.insert(token).second) {
      fail(ErrorCode::kFormat, "token {} of the tokenizer, \"{}\", is there twice", id,
           printable(token));
    }
    if (vocabulary.types[id] < kNormal || vocabulary.types[id] > kByte) {
      fail(ErrorCode::kFormat, "token {} of the tokenizer is of the unknown type {}", id,
           vocabulary.types[id]);
    }
    if (!std::isfinite(vocabulary.scores[id])) {
      fail(ErrorCode::kFormat, "the score of token {} of the tokenizer is no finite number", id);
    }
  }
}

Vocabulary read_vocabulary(const GgufMetadata& metadata) {
  Vocabulary vocabulary;
  vocabulary.tokens = metadata.texts("tokenizer.ggml.tokens");
  vocabulary.scores = metadata.numbers("tokenizer.ggml.scores");
  vocabulary.types = metadata.integers("tokenizer.ggml.token_type");
  const size_t count = vocabulary.tokens.size();
  if (vocabulary.scores.size() != count || vocabulary.types.size() != count) {
    fail(ErrorCode::kFormat, "the tokenizer has {} tokens, {} scores and {} types", count,
         vocabulary.scores.size(), vocabulary.types.size());
  }
  check_pieces(vocabulary);
  const auto& types = vocabulary.types;
  const auto bytes = static_cast<size_t>(std::count(types.begin(), types.end(), kByte));
  if (bytes != 0 && bytes != kBytePieces) {
    fail(ErrorCode::kFormat, "the tokenizer has {} byte tokens, expected {} or none", bytes,
         kBytePieces);
  }
  if (std::count(types.begin(), types.end(), kUnknown) != 1) {
    fail(ErrorCode::kFormat, "the tokenizer has {} unknown tokens, expected one",
         std::count(types.begin(), types.end(), kUnknown));
  }
  vocabulary.unknown = std::find(types.begin(), types.end(), kUnknown) - types.begin();
  vocabulary.has_bytes = bytes != 0;
  return vocabulary;
}

// Older converters wrote added tokens such as <|im_start|> as user-defined, which encoding finds in
// any text: then what somebody writes in a message could end it. How many were changed.
int64_t mark_control_tokens(Vocabulary& vocabulary) {
  int64_t count = 0;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string_view token = vocabulary.tokens[id];
    const bool looks_so = token.size() > 4 && token.starts_with("<|") && token.ends_with("|>");
    if (!looks_so || vocabulary.types[id] != kUserDefined) continue;
    vocabulary.types[id] = kControl;
    ++count;
  }
  return count;
}

// The id of a special token and what it is called; SentencePiece finds it by both.
void add_special(ProtobufMessage& trainer, int id_field, int piece_field, int64_t id,
                 const Vocabulary& vocabulary) {
  const bool there = id >= 0 && id < static_cast<int64_t>(vocabulary.tokens.size());
  trainer.integer(id_field, there ? id : -1);
  if (there) trainer.text(piece_field, vocabulary.tokens[static_cast<size_t>(id)]);
}

// TrainerSpec of sentencepiece_model.proto.
ProtobufMessage trainer_spec(const GgufMetadata& metadata, const Vocabulary& vocabulary) {
  constexpr int kModelType = 3, kVocabSize = 4, kByteFallback = 35;
  constexpr int kUnkId = 40, kBosId = 41, kEosId = 42, kPadId = 43;
  constexpr int kUnkPiece = 45, kBosPiece = 46, kEosPiece = 47;
  constexpr int64_t kBpe = 2;
  ProtobufMessage trainer;
  trainer.integer(kModelType, kBpe);
  trainer.integer(kVocabSize, static_cast<int64_t>(vocabulary.tokens.size()));
  trainer.boolean(kByteFallback, vocabulary.has_bytes);
  add_special(trainer, kUnkId, kUnkPiece, vocabulary.unknown, vocabulary);
  add_special(trainer, kBosId, kBosPiece, metadata.integer_or("tokenizer.ggml.bos_token_id", 1),
              vocabulary);
  add_special(trainer, kEosId, kEosPiece, metadata.integer_or("tokenizer.ggml.eos_token_id", 2),
              vocabulary);
  trainer.integer(kPadId, -1);
  return trainer;
}

// NormalizerSpec.
ProtobufMessage normalizer_spec(const GgufMetadata& metadata) {
  constexpr int kName = 1, kAddDummyPrefix = 3, kRemoveExtraSpaces = 4, kEscapeSpaces = 5;
  ProtobufMessage normalizer;
  normalizer.text(kName, "identity");
  normalizer.boolean(kAddDummyPrefix, metadata.boolean_or("tokenizer.ggml.add_space_prefix", true));
  normalizer.boolean(kRemoveExtraSpaces,
                     metadata.boolean_or("tokenizer.ggml.remove_extra_whitespaces", false));
  normalizer.boolean(kEscapeSpaces, true);
  return normalizer;
}

}  // namespace

std::string read_gguf_tokenizer(const GgufMetadata& metadata, std::vector<std::string>& notes) {
  const std::string_view kind = metadata.text_or("tokenizer.ggml.model", "none");
  if (kind != "llama") {
    if (kind != "none" && kind != "no_vocab") {
      notes.push_back(fmt::format(
          "the source's tokenizer is of the kind {}, only SentencePiece (llama) is supported",
          printable(kind)));
    }
    return "";
  }
  constexpr int kPieces = 1, kTrainer = 2, kNormalizer = 3;  // of ModelProto
  constexpr int kPiece = 1, kScore = 2, kType = 3;           // of SentencePiece
  Vocabulary vocabulary = read_vocabulary(metadata);
  if (const int64_t count = mark_control_tokens(vocabulary); count > 0) {
    notes.push_back(
        fmt::format("{} tokens of the tokenizer that look like <|...|> become control tokens, so "
                    "that text does "
                    "not spell them",
                    count));
  }
  ProtobufMessage model;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    ProtobufMessage piece;
    piece.text(kPiece, vocabulary.tokens[id]);
    piece.number(kScore, vocabulary.scores[id]);
    piece.integer(kType, vocabulary.types[id]);
    model.message(kPieces, piece);
  }
  model.message(kTrainer, trainer_spec(metadata, vocabulary));
  model.message(kNormalizer, normalizer_spec(metadata));
  return model.bytes();
}

}  // namespace octavo
