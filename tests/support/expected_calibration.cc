#include "support/expected_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace octavo::test {
namespace {

struct Candidate {
  int64_t rank;
  double behind;  // of the last expert chosen
  size_t trace;
  Eigen::Index row;

  auto key() const { return std::tuple(rank, behind, trace, row); }
};

/// How near a row came to an expert that it was not sent to.
Candidate candidate(const Matrix& logits, const ReferenceRoute& route, int64_t expert, size_t trace,
                    Eigen::Index row) {
  const double own = logits(row, expert);
  int64_t rank = 0;
  for (Eigen::Index e = 0; e < logits.cols(); ++e) {
    rank += logits(row, e) > own || (logits(row, e) == own && e < expert) ? 1 : 0;
  }
  return {rank, logits(row, route.experts.back()) - own, trace, row};
}

}  // namespace

ExpectedCalibration::ExpectedCalibration(const ReferenceModel& model, const ModelConfig& config)
    : model_(model), config_(config) {
  for (int64_t l = 0; l < config.layers; ++l) {
    for (int64_t e = 0; e < std::max<int64_t>(1, config.experts); ++e) {
      const std::string prefix = fmt::format("layers.{}.experts.{}.", l, e);
      inputs_[prefix + "w1"].sums = inputs_[prefix + "w3"].sums = Matrix::Zero(1, config.dim);
      inputs_[prefix + "w2"].sums = Matrix::Zero(1, config.ffn_dim);
    }
  }
}

void ExpectedCalibration::add(std::span<const int32_t> ids) {
  traces_.push_back(model_.forward(ids));
  const ReferenceTrace& trace = traces_.back();
  for (int64_t l = 0; l < config_.layers; ++l) {
    const auto layer = static_cast<size_t>(l);
    const std::string prefix = fmt::format("layers.{}.", l);
    for (const char* name : {"wq", "wk", "wv"}) add_rows(prefix + name, trace.attention_in[layer]);
    add_rows(prefix + "wo", trace.attended[layer]);
    const Matrix& x = trace.ffn_in[layer];
    for (Eigen::Index r = 0; r < x.rows(); ++r) {
      if (config_.experts == 0) {
        add_to_expert(l, 0, x.row(r), false);
        continue;
      }
      for (const int32_t e : trace.routes[layer][static_cast<size_t>(r)].experts) {
        add_to_expert(l, e, x.row(r), false);
      }
    }
  }
  add_rows(config_.tied_output ? "embedding" : "output", trace.output_in);
}

int64_t ExpectedCalibration::force(int64_t least) {
  int64_t starving = 0;
  for (int64_t l = 0; l < config_.layers; ++l) {
    const auto layer = static_cast<size_t>(l);
    for (int64_t e = 0; e < config_.experts; ++e) {
      const int64_t need = least - inputs_[fmt::format("layers.{}.experts.{}.w1", l, e)].tokens;
      if (need <= 0) continue;
      ++starving;
      std::vector<Candidate> candidates;
      for (size_t t = 0; t < traces_.size(); ++t) {
        const auto& routes = traces_[t].routes[layer];
        for (size_t r = 0; r < routes.size(); ++r) {
          const auto& chosen = routes[r].experts;
          if (std::find(chosen.begin(), chosen.end(), e) != chosen.end()) continue;
          candidates.push_back(candidate(traces_[t].router_logits[layer], routes[r], e, t,
                                         static_cast<Eigen::Index>(r)));
        }
      }
      std::sort(candidates.begin(), candidates.end(),
                [](const Candidate& a, const Candidate& b) { return a.key() < b.key(); });
      candidates.resize(static_cast<size_t>(need));
      for (const Candidate& c : candidates) {
        add_to_expert(l, e, traces_[c.trace].ffn_in[layer].row(c.row), true);
      }
    }
  }
  return starving;
}

void ExpectedCalibration::add_rows(const std::string& tensor, const Matrix& rows) {
  ExpectedInputs& inputs = inputs_[tensor];
  if (inputs.sums.size() == 0) inputs.sums = Matrix::Zero(1, rows.cols());
  inputs.sums += rows.cwiseAbs2().colwise().sum();
  inputs.tokens += rows.rows();
}

void ExpectedCalibration::add_to_expert(int64_t layer, int64_t expert, const Matrix& row,
                                        bool is_forced) {
  const ReferenceExpert& weights = model_.expert(layer, expert);
  const Matrix hidden =
      reference_swiglu(row * weights.w1.transpose(), row * weights.w3.transpose());
  const std::string prefix = fmt::format("layers.{}.experts.{}.", layer, expert);
  for (const auto& [name, input] : {std::pair("w1", &row), {"w3", &row}, {"w2", &hidden}}) {
    ExpectedInputs& inputs = inputs_[prefix + name];
    inputs.sums += input->cwiseAbs2();
    ++(is_forced ? inputs.forced : inputs.tokens);
  }
}

}  // namespace octavo::test
