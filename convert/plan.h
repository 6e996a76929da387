// What a conversion will write, before it is written.
#pragma once

#include "convert/convert.h"

namespace octavo {

/// Directory for a config in `format`, laid out, with notes on tensors that fall back or are
/// padded.
ModelDirectory plan_directory(const ModelConfig& config, Format format);

/// Sizes of what `directory` describes.
ConvertSummary summarize(ModelDirectory directory, int64_t source_bytes);

}  // namespace octavo
