// The weight formats: their names, block sizes and packed tiles. No I/O, no SIMD.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace octavo {

/// How the values of a matrix are stored. Block values are the field's own (GGUF's Q8_0, Q4_0,
/// Q4_K, Q5_K, Q6_K).
enum class Format : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_K, kQ5_K, kQ6_K };

/// What a kernel multiplies a format with.
enum class ActivationFormat : uint8_t {
  kF32,  ///< activations as they are
  kQ8,   ///< int8 in blocks of 32 with a float scale each
};

/// Output rows that are interleaved in the packed order: a panel.
inline constexpr int kPanelRows = 16;

struct FormatTraits {
  Format format;
  std::string_view name;
  int block_cols;   ///< columns of one block in row order (1, 32 or 256)
  int block_bytes;  ///< bytes of one block in row order
  int tile_cols;    ///< columns of one packed tile of kPanelRows rows
  int tile_bytes;   ///< bytes of one packed tile
  ActivationFormat activation;
};

const FormatTraits& traits(Format format);
const std::vector<Format>& all_formats();
std::optional<Format> parse_format(std::string_view name);
inline std::string_view format_name(Format format) { return traits(format).name; }

/// Tiles in one panel: cols rounded up to whole tiles.
int64_t packed_tiles(Format format, int64_t cols);
/// Panels of a matrix: rows rounded up to whole panels.
int64_t packed_panels(int64_t rows);
/// Bytes of one panel.
int64_t packed_panel_bytes(Format format, int64_t cols);
/// Bytes of a packed [rows, cols] matrix, padding included.
int64_t packed_bytes(Format format, int64_t rows, int64_t cols);
/// Bytes of one row of `cols` values in row order (blocks rounded up).
int64_t row_bytes(Format format, int64_t cols);

/// Whether blocks are super-blocks of 256 columns with scales of their own scales.
inline constexpr bool is_super(Format format) {
  return format == Format::kQ4_K || format == Format::kQ5_K || format == Format::kQ6_K;
}

/// The format in which a matrix of `cols` columns is stored when `wanted` is asked for: q4_k, q5_k
/// and q6_k need whole super-blocks and fall back to q8_0; every other format pads.
Format storable_format(Format wanted, int64_t cols);

}  // namespace octavo
