// The config that a GGUF file's metadata describe.
#pragma once

#include "convert/gguf_metadata.h"
#include "convert/source_layout.h"
#include "model/config.h"

namespace octavo {

/// Of the architecture "llama"; the width of the vocabulary and whether the output is tied are the
/// tensors' to say, the window as it says. Throws Error, without the file's name.
ModelConfig read_gguf_config(const GgufMetadata& metadata, const StoredTensors& stored);

}  // namespace octavo
