#include "calibration_run.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "api/model_impl.h"
#include "core/error.h"

namespace octavo::cli {
namespace {

TransformerOptions options_of(const ScoredText& text, int threads) {
  ModelArguments arguments;
  arguments.threads = threads;
  const SessionOptions session = options_for(text, arguments);
  TransformerOptions options;
  options.context = session.context;
  options.chunk = session.chunk;
  options.threads = threads;
  options.kv_type = KvType::kF32;
  return options;
}

/// The weight behind each tensor that is calibrated.
std::map<std::string, const Weight*> weights_by_name(const ModelWeights& weights) {
  std::map<std::string, const Weight*> result = {{"embedding", weights.embedding.get()},
                                                 {"output", weights.output.get()}};
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    const LayerWeights& layer = weights.layers[l];
    const std::string prefix = fmt::format("layers.{}.", l);
    result[prefix + "wq"] = layer.wq.get();
    result[prefix + "wk"] = layer.wk.get();
    result[prefix + "wv"] = layer.wv.get();
    result[prefix + "wo"] = layer.wo.get();
    for (size_t e = 0; e < layer.experts.size(); ++e) {
      const std::string expert = fmt::format("{}experts.{}.", prefix, e);
      result[expert + "w1"] = layer.experts[e].w1.get();
      result[expert + "w3"] = layer.experts[e].w3.get();
      result[expert + "w2"] = layer.experts[e].w2.get();
    }
  }
  return result;
}

CalibratedMatrix mean_of(const MatrixShape& shape, const ColumnSums& sums) {
  CalibratedMatrix matrix = {shape.name, sums.rows, sums.forced, {}};
  const auto rows = static_cast<double>(std::max<int64_t>(sums.rows + sums.forced, 1));
  for (const double square : sums.squares) {
    matrix.mean_squares.push_back(static_cast<float>(square / rows));
    if (std::isfinite(matrix.mean_squares.back())) continue;
    fail(ErrorCode::kFormat, "the inputs of {} are not finite: this model cannot be calibrated",
         shape.name);
  }
  return matrix;
}

}  // namespace

CalibrationRun::CalibrationRun(const Model& model, std::vector<ScoredText> texts, int64_t least,
                               int threads)
    : model_(model),
      texts_(std::move(texts)),
      least_(least),
      device_(*model.impl()->device, record_),
      transformer_(std::make_unique<Transformer>(model.impl()->config, model.impl()->weights,
                                                 device_, options_of(texts_.front(), threads))) {
  for (const ScoredText& text : texts_) tokens_ += text.chunks() * text.context();
  if (tokens_ >= least_) return;
  fail(ErrorCode::kInvalidArgument,
       "the text has {} tokens, fewer than the {} that every expert must see; give more text or a "
       "smaller --min-tokens",
       tokens_, least_);
}

bool CalibrationRun::run(Logits logits,
                         const std::function<bool(int64_t first, int64_t last)>& wanted,
                         const Progress& progress) {
  int64_t first = 0;
  for (const ScoredText& text : texts_) {
    for (int64_t chunk = 0; chunk < text.chunks(); ++chunk, first += text.context()) {
      if (wanted(first, first + text.context())) {
        record_.next_row = first;
        transformer_->rewind(0);
        transformer_->forward(text.chunk(chunk), logits,
                              [](int64_t, int64_t, std::span<const float>) {});
      }
      if (!progress(first + text.context(), tokens_)) return false;
    }
  }
  return true;
}

bool CalibrationRun::observe(const Progress& progress) {
  record_.most_misses = least_;
  // All logits: what the output matrix sees counts as well.
  return run(
      Logits::kAll, [](int64_t, int64_t) { return true; }, progress);
}

std::vector<StarvingExpert> CalibrationRun::starving() const {
  std::vector<StarvingExpert> result;
  const std::vector<std::vector<int64_t>> tokens = expert_tokens();
  for (size_t l = 0; l < tokens.size(); ++l) {
    for (size_t e = 0; e < tokens[l].size(); ++e) {
      if (tokens[l][e] >= least_) continue;
      result.push_back({static_cast<int64_t>(l), static_cast<int64_t>(e), tokens[l][e]});
    }
  }
  return result;
}

bool CalibrationRun::force(const Progress& progress) {
  std::set<int64_t> rows;
  for (const StarvingExpert& starving : starving()) {
    const Weight* const w1 = expert(starving.layer, starving.expert).w1.get();
    std::vector<NearMiss> misses = record_.misses[w1];
    std::sort(misses.begin(), misses.end(),
              [](const NearMiss& a, const NearMiss& b) { return a.is_nearer_than(b); });
    misses.resize(std::min(misses.size(), static_cast<size_t>(least_ - starving.tokens)));
    std::vector<int64_t>& wanted = record_.wanted[w1];
    for (const NearMiss& miss : misses) wanted.push_back(miss.row);
    std::sort(wanted.begin(), wanted.end());
    rows.insert(wanted.begin(), wanted.end());
  }
  record_.is_forcing = true;
  const bool is_done = run(
      Logits::kNone,
      [&rows](int64_t first, int64_t last) {
        const auto next = rows.lower_bound(first);
        return next != rows.end() && *next < last;
      },
      progress);
  record_.is_forcing = false;
  return is_done;
}

std::vector<std::vector<int64_t>> CalibrationRun::expert_tokens() const {
  std::vector<std::vector<int64_t>> result;
  for (const LayerWeights& layer : model_.impl()->weights->layers) {
    result.emplace_back();
    for (const Expert& expert : layer.experts) result.back().push_back(sums_of(*expert.w1).rows);
  }
  return result;
}

Calibration CalibrationRun::result() const {
  const ModelConfig& config = model_.impl()->config;
  const auto weights = weights_by_name(*model_.impl()->weights);
  std::vector<CalibratedMatrix> matrices;
  for (const MatrixShape& shape : matrices_of(config)) {
    matrices.push_back(mean_of(shape, sums_of(*weights.at(shape.name))));
  }
  std::vector<int32_t> ids;
  for (const ScoredText& text : texts_) {
    ids.insert(ids.end(), text.ids().begin(), text.ids().end());
  }
  const uint64_t hash = XXH3_64bits(ids.data(), ids.size() * sizeof(int32_t));
  return {config, tokens_, hash, std::move(matrices)};
}

const Expert& CalibrationRun::expert(int64_t layer, int64_t index) const {
  return model_.impl()->weights->layers[static_cast<size_t>(layer)].experts[static_cast<size_t>(
      index)];
}

ColumnSums CalibrationRun::sums_of(const Weight& weight) const {
  const auto found = record_.sums.find(&weight);
  if (found != record_.sums.end()) return found->second;
  ColumnSums none;
  none.squares.resize(static_cast<size_t>(weight.cols()));
  return none;
}

}  // namespace octavo::cli
