#include "device_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <vector>

#include "plot.h"
#include "profile_table.h"

namespace octavo::cli {
namespace {

/// A row of the table: a figure of each device. A row that compares says how many times the first
/// one's each figure is.
struct Row {
  std::string label;
  bool compares = false;
  std::function<double(const BenchResult&, const BenchRates&)> figure;
  std::string_view format;  ///< of fmt, with one number
};

std::vector<Row> rows_of(const BenchArguments& arguments) {
  using Result = BenchResult;
  using Rates = BenchRates;
  std::vector<Row> rows;
  if (arguments.prompt > 0) {
    rows.push_back({fmt::format("prefill of {}, tok/s", arguments.prompt), true,
                    [](const Result&, const Rates& rates) { return rates.prefill; }, "{:.1f}"});
    rows.push_back({"  of the matrix peak, %", false,
                    [](const Result&, const Rates& rates) { return 100 * rates.share_of_peak; },
                    "{:.0f}"});
  }
  if (arguments.generate > 0) {
    rows.push_back({fmt::format("decode behind {}, tok/s", arguments.depth), true,
                    [](const Result&, const Rates& rates) { return rates.decode; }, "{:.1f}"});
    rows.push_back({"  of the memory's speed, %", false,
                    [](const Result&, const Rates& rates) { return 100 * rates.share_of_stream; },
                    "{:.0f}"});
  }
  rows.push_back({"matrix peak, 10^12 operations/s", true,
                  [](const Result&, const Rates& rates) { return rates.peak * 1e-3; }, "{:.2f}"});
  rows.push_back({"memory's speed, GB/s", true,
                  [](const Result& result, const Rates&) { return result.machine.stream.gb_s; },
                  "{:.1f}"});
  rows.push_back({"until it is ready, s", false,
                  [](const Result& result, const Rates&) { return result.open_seconds; },
                  "{:.2f}"});
  rows.push_back({"memory, MiB", false,
                  [](const Result& result, const Rates&) {
                    return static_cast<double>(result.device_bytes) / (1 << 20);
                  },
                  "{:.0f}"});
  return rows;
}

std::string ratio_heading(const BenchResult& result, const BenchResult& first) {
  return result.device + " / " + first.device;
}

}  // namespace

std::string comparison_text(const BenchArguments& arguments, std::span<const BenchResult> results) {
  constexpr int kLabelWidth = 32, kWidth = 13;
  std::vector<BenchRates> rates;
  std::string text;
  for (const BenchResult& result : results) {
    rates.emplace_back(result);
    text += fmt::format("{:<9}{}; {} units, {}\n", result.device, result.description,
                        rates.back().unit, result.machine.stream.pattern);
  }
  text +=
      fmt::format("\n{:<{}}", results.front().format + ", " + results.front().cache_type + " cache",
                  kLabelWidth);
  for (const BenchResult& result : results) text += fmt::format("{:>{}}", result.device, kWidth);
  for (const BenchResult& result : results.subspan(1)) {
    text += fmt::format("{:>{}}", ratio_heading(result, results.front()), kWidth);
  }
  text += '\n';
  for (const Row& row : rows_of(arguments)) {
    text += fmt::format("{:<{}}", row.label, kLabelWidth);
    std::vector<double> figures;
    for (size_t i = 0; i < results.size(); ++i) {
      figures.push_back(row.figure(results[i], rates[i]));
      text += fmt::format("{:>{}}", fmt::format(fmt::runtime(row.format), figures.back()), kWidth);
    }
    for (size_t i = 1; i < results.size() && row.compares; ++i) {
      text += fmt::format("{:>{}.2f}", figures[i] / figures[0], kWidth);
    }
    text += '\n';
  }
  for (const BenchResult& result : results) {
    const std::string tables = profile_table(Pass::kPrefill, arguments.prompt, result.prefill_ops) +
                               profile_table(Pass::kDecode, arguments.generate, result.decode_ops);
    if (!tables.empty()) text += "\n" + result.device + "\n" + tables;
  }
  return text;
}

nlohmann::json comparison_json(const BenchArguments& arguments,
                               std::span<const BenchResult> results) {
  nlohmann::json devices = nlohmann::json::array(), ratios = nlohmann::json::array();
  const BenchRates first(results.front());
  const auto ratio = [](double figure, double over) {
    return over > 0 ? nlohmann::json(figure / over) : nlohmann::json();
  };
  for (size_t i = 0; i < results.size(); ++i) {
    devices.push_back(bench_json(arguments, results[i]));
    if (i == 0) continue;
    const BenchRates rates(results[i]);
    ratios.push_back({{"device", results[i].device},
                      {"over", results.front().device},
                      {"prefill", ratio(rates.prefill, first.prefill)},
                      {"decode", ratio(rates.decode, first.decode)}});
  }
  return {{"devices", devices}, {"ratios", ratios}};
}

std::string bench_svg(const BenchArguments& arguments, std::span<const BenchResult> results) {
  BarPanel prefill{fmt::format("prefill of {}, tok/s", arguments.prompt), {}};
  BarPanel decode{fmt::format("decode behind {}, tok/s", arguments.depth), {}};
  for (const BenchResult& result : results) {
    const BenchRates rates(result);
    const auto add = [&](BarPanel& panel, double value, double share, std::string_view of) {
      panel.bars.push_back(
          {result.device, value, fmt::format("{:.1f} ({:.0f} % of {})", value, 100 * share, of)});
    };
    add(prefill, rates.prefill, rates.share_of_peak, "the peak");
    add(decode, rates.decode, rates.share_of_stream, "the memory");
  }
  const std::string name = std::filesystem::path(arguments.model.path).filename().string();
  BarChart chart{fmt::format("{}, {}", name, results.front().format), {}};
  if (arguments.prompt > 0) chart.panels.push_back(std::move(prefill));
  if (arguments.generate > 0) chart.panels.push_back(std::move(decode));
  return svg_of(chart);
}

}  // namespace octavo::cli
