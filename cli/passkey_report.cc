#include "passkey_report.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "plot.h"

namespace octavo::cli {
namespace {

constexpr int64_t kEvery = PasskeyResult::kEvery;

std::string table_row(const std::string& name, const PasskeyResult& result, int64_t length) {
  std::string row = fmt::format("{:>8}", name);
  for (const int64_t depth : result.depths) {
    row += fmt::format("{:>7.0f}", 100 * result.accuracy(length, depth));
  }
  return row + fmt::format("{:>9.1f}\n", 100 * result.accuracy(length, kEvery));
}

}  // namespace

double PasskeyResult::accuracy(int64_t length, int64_t depth) const {
  int64_t asked = 0, correct = 0;
  for (const PasskeyAnswer& answer : answers) {
    if (length != kEvery && answer.length != length) continue;
    if (depth != kEvery && answer.depth != depth) continue;
    ++asked;
    correct += answer.correct ? 1 : 0;
  }
  return asked == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(asked);
}

std::string passkey_text(const PasskeyArguments& arguments, const PasskeyResult& result) {
  std::string text =
      fmt::format("correct answers in %, {} for each length (tokens) and depth of the key\n\n{:>8}",
                  arguments.trials, "length");
  for (const int64_t depth : result.depths)
    text += fmt::format("{:>7}", fmt::format("{} %", depth));
  text += fmt::format("{:>9}\n", "all");
  for (const int64_t length : result.lengths) {
    text += table_row(std::to_string(length), result, length);
  }
  return text + table_row("all", result, kEvery);
}

std::string passkey_json(const PasskeyArguments& arguments, const PasskeyResult& result,
                         const ModelInfo& model) {
  using nlohmann::json;
  json root = {{"model", arguments.model.path},
               {"format", model.format},
               {"cache_type", cache_type_of(result.cache).name},
               {"seed", arguments.seed},
               {"trials", arguments.trials},
               {"lengths", result.lengths},
               {"depths", result.depths},
               {"accuracy", json::array()},
               {"accuracy_by_length", json::array()},
               {"accuracy_by_depth", json::array()},
               {"accuracy_of_all", result.accuracy(kEvery, kEvery)},
               {"answers", json::array()}};
  for (const int64_t length : result.lengths) {
    json row = json::array();
    for (const int64_t depth : result.depths) row.push_back(result.accuracy(length, depth));
    root["accuracy"].push_back(std::move(row));
    root["accuracy_by_length"].push_back(result.accuracy(length, kEvery));
  }
  for (const int64_t depth : result.depths) {
    root["accuracy_by_depth"].push_back(result.accuracy(kEvery, depth));
  }
  for (const PasskeyAnswer& answer : result.answers) {
    root["answers"].push_back({{"length", answer.length},
                               {"depth", answer.depth},
                               {"key", answer.key},
                               {"answer", answer.text},
                               {"correct", answer.correct}});
  }
  return root.dump(1) + "\n";
}

std::string passkey_svg(const PasskeyArguments& arguments, const PasskeyResult& result) {
  HeatMap map{"passkeys found, " + std::filesystem::path(arguments.model.path).filename().string(),
              "tokens of context",
              "depth of the key",
              {},
              {},
              {}};
  for (const int64_t length : result.lengths) map.columns.push_back(std::to_string(length));
  for (const int64_t depth : result.depths) {
    map.rows.push_back(fmt::format("{} %", depth));
    std::vector<double>& row = map.shares.emplace_back();
    for (const int64_t length : result.lengths) row.push_back(result.accuracy(length, depth));
  }
  return svg_of(map);
}

}  // namespace octavo::cli
