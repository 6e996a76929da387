// The factory: the only place that knows whether this build has SentencePiece.
#include "text/tokenizer.h"

#include "text/sentencepiece_tokenizer.h"

namespace octavo {

std::unique_ptr<const Tokenizer> make_tokenizer([[maybe_unused]] std::string_view bytes,
                                                [[maybe_unused]] const std::string& source) {
#ifdef OCTAVO_TEXT
  if (!bytes.empty()) return make_sentencepiece_tokenizer(bytes, source);
#endif
  return nullptr;
}

}  // namespace octavo
