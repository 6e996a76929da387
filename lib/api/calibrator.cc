#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "api/model_impl.h"
#include "backend/calibrating_backend.h"
#include "core/error.h"
#include "core/parallel.h"
#include "io/calibration_file.h"
#include "model/transformer.h"
#include "octavo/calibrate.hpp"

namespace octavo {
namespace {

TransformerOptions transformer_options(const CalibrationOptions& options) {
  if (options.context < 1 || options.context > kMostPositions) {
    fail(ErrorCode::kInvalidArgument, "the context must be 1 to {} tokens", kMostPositions);
  }
  if (options.min_tokens < 0) {
    fail(ErrorCode::kInvalidArgument, "the tokens that an expert must see are 0 or more");
  }
  TransformerOptions result;
  result.context = options.context;
  result.chunk = std::min(options.context, SessionOptions{}.chunk);
  result.threads = resolve_threads(options.threads);
  result.kv_type = KvType::kF32;
  return result;
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

/// Members in the order in which they depend on each other.
struct Calibrator::Impl {
  Impl(const Model& opened, const CalibrationOptions& wanted)
      : model(opened),
        options(wanted),
        device(*opened.impl()->device, record),
        transformer(opened.impl()->config, opened.impl()->weights, device,
                    transformer_options(wanted)) {}

  void require_observed() const;
  /// Every piece whose tokens, counted through the whole text, are `wanted`.
  void run(Logits logits, const std::function<bool(int64_t first, int64_t last)>& wanted,
           const Progress& progress);
  const Expert& expert(const StarvingExpert& place) const;
  /// Sums of a matrix that no token came to are empty.
  ColumnSums sums_of(const Weight& weight) const;
  Calibration result() const;

  const Model model;
  const CalibrationOptions options;
  std::vector<std::vector<int32_t>> pieces;  ///< the text
  int64_t tokens = 0;                        ///< of it
  bool is_observed = false;                  ///< or begun to be
  bool is_whole = false;                     ///< what was begun has come to its end
  CalibrationRecord record;
  CalibratingDevice device;
  Transformer transformer;
};

void Calibrator::Impl::require_observed() const {
  if (!is_observed) fail(ErrorCode::kInvalidArgument, "the calibration has not read its text yet");
  if (!is_whole) {
    fail(ErrorCode::kInvalidArgument,
         "the calibration was stopped before its end; begin a new one");
  }
}

void Calibrator::Impl::run(Logits logits,
                           const std::function<bool(int64_t first, int64_t last)>& wanted,
                           const Progress& progress) {
  int64_t first = 0;
  for (const std::vector<int32_t>& piece : pieces) {
    const int64_t last = first + static_cast<int64_t>(piece.size());
    if (wanted(first, last)) {
      record.next_row = first;
      transformer.rewind(0);
      transformer.forward(piece, logits, [](int64_t, int64_t, std::span<const float>) {});
    }
    first = last;
    if (progress && !progress(last, tokens)) {
      fail(ErrorCode::kCancelled, "the calibration was stopped after {} of {} tokens", last,
           tokens);
    }
  }
}

const Expert& Calibrator::Impl::expert(const StarvingExpert& place) const {
  return model.impl()
      ->weights->layers[static_cast<size_t>(place.layer)]
      .experts[static_cast<size_t>(place.expert)];
}

ColumnSums Calibrator::Impl::sums_of(const Weight& weight) const {
  const auto found = record.sums.find(&weight);
  if (found != record.sums.end()) return found->second;
  ColumnSums none;
  none.squares.resize(static_cast<size_t>(weight.cols()));
  return none;
}

Calibration Calibrator::Impl::result() const {
  const ModelConfig& config = model.impl()->config;
  const auto weights = weights_by_name(*model.impl()->weights);
  std::vector<CalibratedMatrix> matrices;
  for (const MatrixShape& shape : matrices_of(config)) {
    matrices.push_back(mean_of(shape, sums_of(*weights.at(shape.name))));
  }
  std::vector<int32_t> ids;
  for (const std::vector<int32_t>& piece : pieces)
    ids.insert(ids.end(), piece.begin(), piece.end());
  const uint64_t hash = XXH3_64bits(ids.data(), ids.size() * sizeof(int32_t));
  return {config, tokens, hash, std::move(matrices)};
}

Calibrator::Calibrator(const Model& model, const CalibrationOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
Calibrator::~Calibrator() = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

int64_t Calibrator::tokens() const { return impl_->tokens; }

void Calibrator::add(std::span<const int32_t> ids) {
  if (impl_->is_observed) fail(ErrorCode::kInvalidArgument, "the calibration has read its text");
  impl_->transformer.check_vocabulary(ids);
  impl_->tokens += static_cast<int64_t>(ids.size());
  while (!ids.empty()) {
    const size_t count = std::min(ids.size(), static_cast<size_t>(impl_->options.context));
    impl_->pieces.emplace_back(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count));
    ids = ids.subspan(count);
  }
}

void Calibrator::observe(const Progress& progress) {
  if (impl_->is_observed) fail(ErrorCode::kInvalidArgument, "the calibration has read its text");
  if (impl_->tokens < impl_->options.min_tokens) {
    fail(ErrorCode::kInvalidArgument,
         "the text has {} tokens, fewer than the {} that every expert must see; give more text or "
         "a smaller --min-tokens",
         impl_->tokens, impl_->options.min_tokens);
  }
  impl_->is_observed = true;
  impl_->record.most_misses = impl_->options.min_tokens;
  // All logits: what the output matrix sees counts as well.
  impl_->run(
      Logits::kAll, [](int64_t, int64_t) { return true; }, progress);
  impl_->is_whole = true;
}

std::vector<std::vector<int64_t>> Calibrator::expert_tokens() const {
  std::vector<std::vector<int64_t>> result;
  for (const LayerWeights& layer : impl_->model.impl()->weights->layers) {
    result.emplace_back();
    for (const Expert& expert : layer.experts) {
      result.back().push_back(impl_->sums_of(*expert.w1).rows);
    }
  }
  return result;
}

std::vector<StarvingExpert> Calibrator::starving() const {
  std::vector<StarvingExpert> result;
  const std::vector<std::vector<int64_t>> tokens = expert_tokens();
  for (size_t l = 0; l < tokens.size(); ++l) {
    for (size_t e = 0; e < tokens[l].size(); ++e) {
      if (tokens[l][e] >= impl_->options.min_tokens) continue;
      result.push_back({static_cast<int64_t>(l), static_cast<int64_t>(e), tokens[l][e]});
    }
  }
  return result;
}

void Calibrator::force(const Progress& progress) {
  impl_->require_observed();
  CalibrationRecord& record = impl_->record;
  std::set<int64_t> rows;
  for (const StarvingExpert& starving : starving()) {
    const Weight* const w1 = impl_->expert(starving).w1.get();
    std::vector<NearMiss> misses = record.misses[w1];
    std::sort(misses.begin(), misses.end(),
              [](const NearMiss& a, const NearMiss& b) { return a.is_nearer_than(b); });
    const auto missing = static_cast<size_t>(impl_->options.min_tokens - starving.tokens);
    misses.resize(std::min(misses.size(), missing));
    std::vector<int64_t>& wanted = record.wanted[w1];
    wanted.clear();
    for (const NearMiss& miss : misses) wanted.push_back(miss.row);
    std::sort(wanted.begin(), wanted.end());
    rows.insert(wanted.begin(), wanted.end());
  }
  record.is_forcing = true;
  impl_->is_whole = false;
  impl_->run(
      Logits::kNone,
      [&rows](int64_t first, int64_t last) {
        const auto next = rows.lower_bound(first);
        return next != rows.end() && *next < last;
      },
      progress);
  record.is_forcing = false;
  impl_->is_whole = true;
}

void Calibrator::save(const std::string& path) const {
  impl_->require_observed();
  impl_->result().save(path);
}

}  // namespace octavo
