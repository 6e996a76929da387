#include "convert/source_type.h"

#include <array>

namespace octavo {
namespace {

constexpr std::array<SourceTypeTraits, 3> kTraits = {{
    {SourceType::kF32, "F32", 1, 4, std::nullopt, Format::kF32},
    {SourceType::kF16, "F16", 1, 2, std::nullopt, Format::kF16},
    {SourceType::kBF16, "BF16", 1, 2, std::nullopt, Format::kBF16},
}};

}  // namespace

const SourceTypeTraits& traits(SourceType type) { return kTraits[static_cast<size_t>(type)]; }

std::optional<SourceType> parse_source_type(std::string_view name) {
  for (const SourceTypeTraits& row : kTraits) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

std::vector<std::string_view> source_type_names() {
  std::vector<std::string_view> names;
  for (const SourceTypeTraits& row : kTraits) names.push_back(row.name);
  return names;
}

}  // namespace octavo
