#include "perplexity_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "plot.h"

namespace octavo::cli {
namespace {

using nlohmann::json;

std::string perplexity_of(const Score& score) {
  return fmt::format("{:.4f} ± {:.4f}", score.perplexity(), score.error());
}

json score_json(const Score& score) {
  return {{"tokens", score.count()},
          {"loss", score.mean()},
          {"loss_error", score.mean_error()},
          {"perplexity", score.perplexity()},
          {"perplexity_error", score.error()}};
}

std::string position_table(const PerplexityResult& result) {
  // "±" is two bytes but one column, and fmt counts columns.
  std::string text = fmt::format("{:>13}{:>10}{:>19}{:>22}{:>14}{:>22}\n", "tokens before",
                                 "tokens", "loss", "perplexity", "context of", "perplexity");
  for (const PositionLosses::Bucket& bucket : result.positions.buckets()) {
    const std::string loss =
        fmt::format("{:.4f} ± {:.4f}", bucket.here.mean(), bucket.here.mean_error());
    text += fmt::format("{:>13}{:>10}{:>19}{:>22}{:>14}{:>22}\n",
                        fmt::format("{}-{}", bucket.first, bucket.last), bucket.here.count(), loss,
                        perplexity_of(bucket.here), bucket.last + 1, perplexity_of(bucket.until));
  }
  return text;
}

}  // namespace

std::string perplexity_text(const PerplexityArguments& arguments, const PerplexityResult& result) {
  if (arguments.by_position) return position_table(result);
  return perplexity_of(result.all) + "\n";
}

std::string perplexity_json(const PerplexityArguments& arguments, const PerplexityResult& result,
                            const ModelInfo& model) {
  json root = score_json(result.all);
  root["model"] = arguments.model.path;
  root["format"] = model.format;
  root["cache_type"] = cache_type_of(result.cache).name;
  root["file"] = arguments.file;
  root["context"] = result.context;
  root["chunks"] = result.chunks;
  root["scored"] = arguments.by_position ? "all" : "second half";
  if (arguments.by_position) {
    root["positions"] = json::array();
    for (const PositionLosses::Bucket& bucket : result.positions.buckets()) {
      json entry = score_json(bucket.here);
      entry["first"] = bucket.first;
      entry["last"] = bucket.last;
      entry["context"] = bucket.last + 1;
      entry["context_perplexity"] = bucket.until.perplexity();
      entry["context_perplexity_error"] = bucket.until.error();
      root["positions"].push_back(std::move(entry));
    }
  }
  return root.dump(1) + "\n";
}

std::string perplexity_svg(const PerplexityArguments& arguments, const PerplexityResult& result) {
  Line here{"tokens at this distance", {}, {}, {}}, until{"whole context", {}, {}, {}};
  double least = 0, most = 0;
  const auto add = [&](Line& line, double context, const Score& score) {
    line.x.push_back(context);
    line.y.push_back(score.perplexity());
    line.error.push_back(score.error());
    const double low = score.perplexity() - score.error();
    const double high = score.perplexity() + score.error();
    least = most == 0 ? low : std::min(least, low);
    most = std::max(most, high);
  };
  for (const PositionLosses::Bucket& bucket : result.positions.buckets()) {
    const auto context = static_cast<double>(bucket.last + 1);
    add(here, context, bucket.here);
    add(until, context, bucket.until);
  }
  const std::string name = std::filesystem::path(arguments.model.path).filename().string();
  return svg_of(LinePlot{name,
                         doubling_axis("tokens of context", here.x),
                         even_axis("perplexity", least, most),
                         {here, until}});
}

}  // namespace octavo::cli
