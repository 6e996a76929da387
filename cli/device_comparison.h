// octavo bench on several devices: one table, one JSON object, one chart.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "bench_report.h"

namespace octavo::cli {

/// A column for each device, and how many times the first one each further one is.
std::string comparison_text(const BenchArguments& arguments, std::span<const BenchResult> results);
/// {"devices": [bench_json of each], "ratios": [{"device", "over", "prefill", "decode"}]}
nlohmann::json comparison_json(const BenchArguments& arguments,
                               std::span<const BenchResult> results);
/// Bars of prefill and decode, for one device or more.
std::string bench_svg(const BenchArguments& arguments, std::span<const BenchResult> results);

}  // namespace octavo::cli
