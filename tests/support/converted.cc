#include "support/converted.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "octavo/convert.hpp"
#include "support/checkpoint.h"

namespace octavo::test {
namespace {

void convert_folder(const std::filesystem::path& source, const std::string& output, Format format,
                    int threads = 0, std::optional<int64_t> window = std::nullopt) {
  ConvertOptions options;
  options.source = source.string();
  options.output = output;
  options.type = format_name(format);
  options.threads = threads;
  options.window = window;
  convert(options);
}

// Appends row r of values [rows, cols].
template <class T>
void append_row(const std::vector<T>& values, int64_t rows, int64_t r,
                std::vector<std::vector<T>>& out) {
  const auto cols = static_cast<int64_t>(values.size()) / rows;
  out.emplace_back(values.begin() + r * cols, values.begin() + (r + 1) * cols);
}

}  // namespace

Converted::Converted(const std::filesystem::path& source, Format format,
                     std::optional<int64_t> window) {
  convert_folder(source, path_, format, 0, window);
}

Converted::Converted(const ModelConfig& config, uint64_t seed, Format format, Format stored) {
  const TempDir checkpoint;
  write_random_checkpoint(checkpoint.path(), config, seed, stored);
  convert_folder(checkpoint.path(), path_, format, 1, config.window);  // too small for more
}

Runner::Runner(const std::string& path, const TransformerOptions& options,
               std::shared_ptr<Device> device)
    : file_(path),
      device_(std::move(device)),
      transformer_(file_.config(),
                   std::make_shared<const ModelWeights>(load_weights(file_, *device_)), *device_,
                   options) {
  const auto layers = static_cast<size_t>(config().layers);
  routed_ = {Choices(layers), {}, {}};
  routed_.weights.resize(layers);
  routed_.logits.resize(layers);
  transformer_.observe_routing([this](int64_t layer, int64_t, const Routing& routing) {
    const auto l = static_cast<size_t>(layer);
    for (int64_t r = 0; r < routing.rows; ++r) {
      append_row(routing.experts, routing.rows, r, routed_.experts[l]);
      append_row(routing.weights, routing.rows, r, routed_.weights[l]);
      append_row(routing.logits, routing.rows, r, routed_.logits[l]);
    }
  });
}

Matrix Runner::logits(std::span<const int32_t> ids, int64_t chunk) {
  Matrix all(static_cast<Eigen::Index>(ids.size()), config().vocab);
  all.setConstant(NAN);  // a row that is never delivered must not pass
  const auto step = chunk == 0 ? ids.size() : static_cast<size_t>(chunk);
  for (size_t first = 0; first < ids.size(); first += step) {
    const auto part = ids.subspan(first, std::min(step, ids.size() - first));
    transformer_.forward(part, Logits::kAll,
                         [&](int64_t row, int64_t rows, std::span<const float> values) {
                           all.middleRows(static_cast<Eigen::Index>(first) + row, rows) =
                               to_matrix(values, rows, config().vocab);
                         });
  }
  return all;
}

Matrix Runner::logits_in(std::span<const int32_t> ids, std::span<const int64_t> pieces) {
  Matrix all(static_cast<Eigen::Index>(ids.size()), config().vocab);
  size_t first = 0;
  for (const int64_t piece : pieces) {
    const size_t count = std::min(static_cast<size_t>(piece), ids.size() - first);
    if (count == 0) return all;
    all.middleRows(static_cast<Eigen::Index>(first), static_cast<Eigen::Index>(count)) =
        logits(ids.subspan(first, count));
    first += count;
  }
  if (first < ids.size()) {
    all.bottomRows(static_cast<Eigen::Index>(ids.size() - first)) = logits(ids.subspan(first), 1);
  }
  return all;
}

std::vector<int32_t> Runner::greedy(std::span<const int32_t> ids, int64_t count) {
  std::vector<int32_t> chosen;
  const Transformer::LogitsSink pick = [&](int64_t, int64_t, std::span<const float> values) {
    chosen.push_back(
        static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin()));
  };
  transformer_.forward(ids, Logits::kLast, pick);
  while (static_cast<int64_t>(chosen.size()) < count) {
    const int32_t last = chosen.back();
    transformer_.forward(std::span(&last, 1), Logits::kLast, pick);
  }
  return chosen;
}

Runner::Routed Runner::take_routing() {
  const size_t layers = routed_.experts.size();
  Routed taken = std::exchange(routed_, {Choices(layers), {}, {}});
  routed_.weights.resize(layers);
  routed_.logits.resize(layers);
  return taken;
}

}  // namespace octavo::test
