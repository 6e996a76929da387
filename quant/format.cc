#include "quant/format.h"

#include <array>

#include "quant/block.h"
#include "quant/tile.h"

namespace octavo {
namespace {

constexpr int kScaleLine = 64;  // two blocks' 16 f16 scales

constexpr std::array<FormatTraits, 8> kTraits = {{
    {Format::kF32, "f32", 1, 4, 16, 16 * kPanelRows * 4, ActivationFormat::kF32},
    {Format::kF16, "f16", 1, 2, 32, 32 * kPanelRows * 2, ActivationFormat::kF32},
    {Format::kBF16, "bf16", 1, 2, 32, 32 * kPanelRows * 2, ActivationFormat::kF32},
    {Format::kQ8_0, "q8_0", 32, sizeof(BlockQ8_0), 64, kScaleLine + 64 * kPanelRows,
     ActivationFormat::kQ8},
    {Format::kQ4_0, "q4_0", 32, sizeof(BlockQ4_0), 64, kScaleLine + 32 * kPanelRows,
     ActivationFormat::kQ8},
    {Format::kQ4_K, "q4_k", 256, sizeof(BlockQ4_K), 256, kPanelRows * sizeof(BlockQ4_K),
     ActivationFormat::kQ8},
    {Format::kQ5_K, "q5_k", 256, sizeof(BlockQ5_K), 256, kPanelRows * sizeof(BlockQ5_K),
     ActivationFormat::kQ8},
    {Format::kQ6_K, "q6_k", 256, sizeof(BlockQ6_K), 256,
     tile::kSixQuants + 4 * tile::chunk_bytes(2), ActivationFormat::kQ8},
}};

int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

}  // namespace

const FormatTraits& traits(Format format) { return kTraits[static_cast<size_t>(format)]; }

const std::vector<Format>& all_formats() {
  static const std::vector<Format> formats = [] {
    std::vector<Format> list;
    for (const FormatTraits& row : kTraits) list.push_back(row.format);
    return list;
  }();
  return formats;
}

std::optional<Format> parse_format(std::string_view name) {
  for (const FormatTraits& row : kTraits) {
    if (row.name == name) return row.format;
  }
  return std::nullopt;
}

int64_t packed_tiles(Format format, int64_t cols) {
  return ceil_div(cols, traits(format).tile_cols);
}

int64_t packed_panels(int64_t rows) { return ceil_div(rows, kPanelRows); }

int64_t packed_panel_bytes(Format format, int64_t cols) {
  return packed_tiles(format, cols) * traits(format).tile_bytes;
}

int64_t packed_bytes(Format format, int64_t rows, int64_t cols) {
  return packed_panels(rows) * packed_panel_bytes(format, cols);
}

int64_t row_bytes(Format format, int64_t cols) {
  return ceil_div(cols, traits(format).block_cols) * traits(format).block_bytes;
}

Format storable_format(Format wanted, int64_t cols) {
  const bool whole = cols % traits(wanted).block_cols == 0;
  return is_super(wanted) && !whole ? Format::kQ8_0 : wanted;
}

}  // namespace octavo
