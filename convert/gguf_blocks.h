// The values of GGUF's blocks (ggml-common.h of llama.cpp documents the layouts). Scalar and plain;
// the values are bit for bit those of llama.cpp's own dequantizers without fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "convert/source_type.h"

namespace octavo {

/// The values of consecutive blocks of a quantized type. dst holds whole blocks.
void dequantize_blocks(SourceType type, const std::byte* src, std::span<float> dst);

/// The blocks as those of the type's same_blocks, value for value. dst holds `count` of them.
void copy_blocks(SourceType type, const std::byte* src, int64_t count, std::byte* dst);

/// Whether the f16 scales and mins of blocks are all finite; if and only if so, the values are.
bool has_finite_scales(SourceType type, const std::byte* src, int64_t count);

}  // namespace octavo
