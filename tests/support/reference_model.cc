#include "support/reference_model.h"

#include <fmt/format.h>

#include <cstring>
#include <string>

#include "quant/packed.h"

namespace octavo::test {
namespace {

Matrix load(const ModelFile& file, const std::string& name, int64_t rows, int64_t cols) {
  const TensorView tensor = file.tensor(name, rows, cols);
  std::vector<float> row(static_cast<size_t>(cols));
  Matrix matrix(rows, cols);
  for (int64_t r = 0; r < rows; ++r) {
    if (tensor.order == Order::kPlain) {
      std::memcpy(row.data(), tensor.data + 4 * r * cols, row.size() * 4);
    } else {
      dequantize_packed_row(tensor.format, tensor.data, r, row);
    }
    matrix.row(r) = to_matrix(row, 1, cols);
  }
  return matrix;
}

ReferenceExpert load_expert(const ModelFile& file, const std::string& prefix) {
  const ModelConfig& c = file.config();
  return {load(file, prefix + "w1", c.ffn_dim, c.dim), load(file, prefix + "w3", c.ffn_dim, c.dim),
          load(file, prefix + "w2", c.dim, c.ffn_dim)};
}

}  // namespace

ReferenceModel::ReferenceModel(const ModelFile& file)
    : config_(file.config()),
      embedding_(load(file, "embedding", config_.vocab, config_.dim)),
      norm_(load(file, "norm", 1, config_.dim)),
      output_(config_.tied_output ? embedding_ : load(file, "output", config_.vocab, config_.dim)) {
  const ModelConfig& c = config_;
  const int64_t q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  for (int64_t l = 0; l < c.layers; ++l) {
    const std::string prefix = fmt::format("layers.{}.", l);
    Layer layer{load(file, prefix + "attention_norm", 1, c.dim),
                load(file, prefix + "wq", q, c.dim),
                load(file, prefix + "wk", kv, c.dim),
                load(file, prefix + "wv", kv, c.dim),
                load(file, prefix + "wo", c.dim, q),
                load(file, prefix + "ffn_norm", 1, c.dim),
                c.experts == 0 ? Matrix() : load(file, prefix + "router", c.experts, c.dim),
                {}};
    for (int64_t e = 0; e < std::max<int64_t>(1, c.experts); ++e) {
      layer.experts.push_back(load_expert(file, fmt::format("{}experts.{}.", prefix, e)));
    }
    layers_.push_back(std::move(layer));
  }
}

ReferenceTrace ReferenceModel::forward(std::span<const int32_t> ids, const Choices* choices) const {
  ReferenceTrace trace;
  Matrix x(static_cast<Eigen::Index>(ids.size()), config_.dim);
  for (size_t i = 0; i < ids.size(); ++i)
    x.row(static_cast<Eigen::Index>(i)) = embedding_.row(ids[i]);
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    trace.attention_in.push_back(reference_rmsnorm(x, layer.attention_norm, config_.norm_eps));
    trace.attended.push_back(attend(layer, trace.attention_in.back()));
    trace.attention.push_back(trace.attended.back() * layer.wo.transpose());
    x += trace.attention.back();
    trace.ffn_in.push_back(reference_rmsnorm(x, layer.ffn_norm, config_.norm_eps));
    x += feed_forward(layer, trace.ffn_in.back(), l, choices, trace);
    trace.block.push_back(x);
  }
  trace.output_in = reference_rmsnorm(x, norm_, config_.norm_eps);
  trace.logits = trace.output_in * output_.transpose();
  return trace;
}

Matrix ReferenceModel::attend(const Layer& layer, const Matrix& x) const {
  Matrix q = x * layer.wq.transpose();
  Matrix k = x * layer.wk.transpose();
  const Matrix v = x * layer.wv.transpose();
  reference_rope(q, config_.head_dim, config_.rope_theta, 0);
  reference_rope(k, config_.head_dim, config_.rope_theta, 0);
  const ReferenceAttention shape{config_.heads, config_.kv_heads, config_.head_dim, config_.window};
  return reference_attention(q, k, v, shape, 0);
}

Matrix ReferenceModel::feed_forward(const Layer& layer, const Matrix& x, size_t index,
                                    const Choices* choices, ReferenceTrace& trace) const {
  if (config_.experts == 0) return reference_expert(x, layer.experts.front());
  const Matrix logits = x * layer.router.transpose();
  Matrix out = Matrix::Zero(x.rows(), x.cols());
  std::vector<ReferenceRoute> routes;
  for (Eigen::Index r = 0; r < x.rows(); ++r) {
    const std::span<const double> row(logits.row(r).data(), static_cast<size_t>(logits.cols()));
    ReferenceRoute route = reference_route(row, config_.experts_per_token);
    if (choices != nullptr) {
      route.experts = (*choices)[index][static_cast<size_t>(r)];
      route.weights = route_weights(row, route.experts);
    }
    for (size_t i = 0; i < route.experts.size(); ++i) {
      const ReferenceExpert& expert = layer.experts[static_cast<size_t>(route.experts[i])];
      out.row(r) += route.weights[i] * reference_expert(x.row(r), expert);
    }
    routes.push_back(std::move(route));
  }
  trace.router_logits.push_back(logits);
  trace.routes.push_back(std::move(routes));
  return out;
}

}  // namespace octavo::test
