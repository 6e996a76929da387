// The types in which checkpoints store values, and what becomes of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "quant/format.h"

namespace octavo {

enum class SourceType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
};

struct SourceTypeTraits {
  SourceType type;
  std::string_view name;  ///< as files name it
  int block_cols;         ///< values of a block
  int block_bytes;
  /// The format with exactly these values: its blocks are made by copying integers and scales,
  /// nothing is rounded (copy_row). Floats are checked on their way and have none.
  std::optional<Format> same_blocks;
  Format kept_as;  ///< the format that loses least when a source is kept as it is
};

const SourceTypeTraits& traits(SourceType type);
std::optional<SourceType> parse_source_type(std::string_view name);
/// All names, for messages.
std::vector<std::string_view> source_type_names();

}  // namespace octavo
