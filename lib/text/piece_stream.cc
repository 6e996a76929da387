#include "text/piece_stream.h"

namespace octavo {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581

}  // namespace

std::string PieceStream::add(int32_t id) {
  Piece piece;
  if (id >= 0 && id < tokenizer_.size()) piece = tokenizer_.piece(id);
  if (piece.kind == PieceKind::kByte) {
    at_start_ = false;
    return bytes_.add(piece.text);
  }
  // Any other piece ends a run of bytes: characters are not split over it.
  std::string out = bytes_.finish();
  if (piece.kind == PieceKind::kControl) return out;
  if (at_start_) {
    const LeadingSpace rule = tokenizer_.leading_space();
    const bool drop = piece.kind == PieceKind::kText && rule != LeadingSpace::kKeep &&
                      piece.name.starts_with(kSpaceSymbol);
    if (drop) piece.text.erase(0, 1);
    at_start_ = drop && piece.text.empty() && rule == LeadingSpace::kDropAll;
  }
  out += bytes_.add(piece.text);
  out += bytes_.finish();
  return out;
}

std::string decode(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  PieceStream stream(tokenizer);
  std::string text;
  for (const int32_t id : ids) text += stream.add(id);
  return text + stream.finish();
}

}  // namespace octavo
