#include "convert/source_type.h"

#include <array>

namespace octavo {
namespace {

constexpr std::array<SourceTypeTraits, 15> kTraits = {{
    {SourceType::kF32, "F32", 1, 4, std::nullopt, Format::kF32},
    {SourceType::kF16, "F16", 1, 2, std::nullopt, Format::kF16},
    {SourceType::kBF16, "BF16", 1, 2, std::nullopt, Format::kBF16},
    {SourceType::kQ4_0, "Q4_0", 32, 18, Format::kQ4_0, Format::kQ4_0},
    {SourceType::kQ4_1, "Q4_1", 32, 20, std::nullopt, Format::kQ8_0},
    {SourceType::kQ5_0, "Q5_0", 32, 22, Format::kQ8_0, Format::kQ8_0},
    {SourceType::kQ5_1, "Q5_1", 32, 24, std::nullopt, Format::kQ8_0},
    {SourceType::kQ8_0, "Q8_0", 32, 34, Format::kQ8_0, Format::kQ8_0},
    {SourceType::kQ2_K, "Q2_K", 256, 84, std::nullopt, Format::kQ8_0},
    {SourceType::kQ3_K, "Q3_K", 256, 110, std::nullopt, Format::kQ8_0},
    {SourceType::kQ4_K, "Q4_K", 256, 144, Format::kQ4_K, Format::kQ4_K},
    {SourceType::kQ5_K, "Q5_K", 256, 176, Format::kQ5_K, Format::kQ5_K},
    {SourceType::kQ6_K, "Q6_K", 256, 210, Format::kQ6_K, Format::kQ6_K},
    {SourceType::kIQ4_NL, "IQ4_NL", 32, 18, Format::kQ8_0, Format::kQ8_0},
    {SourceType::kIQ4_XS, "IQ4_XS", 256, 136, std::nullopt, Format::kQ8_0},
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
