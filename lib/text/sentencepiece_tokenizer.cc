#include "text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include "core/error.h"

// Exported by every release of the library, declared by none of its installed headers.
namespace sentencepiece::logging {
void SetMinLogLevel(int level);
}

namespace octavo {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581

/// The library must not print: errors come back as a status, which we turn into an Error.
void silence_sentencepiece() {
  constexpr int kFatalOnly = 3;
  [[maybe_unused]] static const bool silenced = [] {
    sentencepiece::logging::SetMinLogLevel(kFatalOnly);
    return true;
  }();
}

std::string with_spaces(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const size_t end = name.find(kSpaceSymbol);
    text += name.substr(0, end);
    if (end == std::string_view::npos) break;
    text += ' ';
    name.remove_prefix(end + kSpaceSymbol.size());
  }
  return text;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string_view bytes, const std::string& source) {
    silence_sentencepiece();
    const auto status = processor_.LoadFromSerializedProto(bytes);
    if (!status.ok() || processor_.GetPieceSize() <= 0) {
      fail(ErrorCode::kFormat,
           "{}: the tokenizer is no valid SentencePiece model; convert the model again from a good "
           "tokenizer.model",
           source);
    }
    leading_space_ = probe_leading_space();
  }

  int32_t size() const override { return processor_.GetPieceSize(); }

  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    const auto status = processor_.Encode(text, &ids);
    if (!status.ok()) {
      fail(ErrorCode::kFormat, "the tokenizer cannot encode this text: {}", status.ToString());
    }
    return {ids.begin(), ids.end()};
  }

  Piece piece(int32_t id) const override {
    Piece piece;
    piece.name = processor_.IdToPiece(id);
    if (processor_.IsControl(id)) return piece;
    if (processor_.IsUnknown(id)) {
      piece.kind = PieceKind::kUnknown;
      piece.text = decode({piece.name});
    } else if (processor_.IsByte(id)) {  // "<0x0A>"; the library checked the spelling at load
      piece.kind = PieceKind::kByte;
      piece.text = static_cast<char>(std::stoi(piece.name.substr(3, 2), nullptr, 16));
    } else {
      piece.kind = PieceKind::kText;
      piece.text = with_spaces(piece.name);
    }
    return piece;
  }

  LeadingSpace leading_space() const override { return leading_space_; }

 private:
  std::string decode(const std::vector<std::string>& pieces) const {
    std::string text;
    return processor_.Decode(pieces, &text).ok() ? text : std::string();
  }

  /// The model's settings are not exposed, but what decoding does with a lone space shows them.
  LeadingSpace probe_leading_space() const {
    const std::string space(kSpaceSymbol);
    if (processor_.IsUnknown(processor_.PieceToId(space))) return LeadingSpace::kDropOne;
    if (!decode({space}).empty()) return LeadingSpace::kKeep;
    return decode({space, space}).empty() ? LeadingSpace::kDropAll : LeadingSpace::kDropOne;
  }

  sentencepiece::SentencePieceProcessor processor_;
  LeadingSpace leading_space_ = LeadingSpace::kDropOne;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_sentencepiece_tokenizer(std::string_view bytes,
                                                              const std::string& source) {
  return std::make_unique<SentencePieceTokenizer>(bytes, source);
}

}  // namespace octavo
