// The tokenizer of a GGUF file.
#pragma once

#include <string>
#include <vector>

#include "convert/gguf_metadata.h"

namespace octavo {

/// A SentencePiece model with the pieces, scores and types of the metadata. Empty, with a note,
/// when the file has a tokenizer of another kind; empty when it has none. Throws Error(kFormat),
/// without the file's name, when the entries do not fit together.
std::string read_gguf_tokenizer(const GgufMetadata& metadata, std::vector<std::string>& notes);

}  // namespace octavo
