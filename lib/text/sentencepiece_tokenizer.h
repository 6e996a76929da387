// Builds with SentencePiece only; see text/tokenizer.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace octavo {

/// `bytes`: a serialized SentencePiece model. Throws Error(kFormat).
std::unique_ptr<const Tokenizer> make_sentencepiece_tokenizer(std::string_view bytes,
                                                              const std::string& source);

}  // namespace octavo
