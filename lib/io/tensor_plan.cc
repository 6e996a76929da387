// Which tensors a model consists of, and where they lie in its file.
#include <fmt/format.h>

#include <algorithm>

#include "io/model_layout.h"

namespace octavo {
namespace {

void plan_layer(const ModelConfig& c, int64_t layer, std::vector<TensorEntry>& plan) {
  const std::string prefix = fmt::format("layers.{}.", layer);
  const auto add = [&](const std::string& name, int64_t rows, int64_t cols, Order order) {
    plan.push_back({.name = prefix + name, .order = order, .rows = rows, .cols = cols});
  };
  const int64_t query_dim = c.heads * c.head_dim, kv_dim = c.kv_heads * c.head_dim;
  add("attention_norm", 1, c.dim, Order::kPlain);
  add("wq", query_dim, c.dim, Order::kPacked);
  add("wk", kv_dim, c.dim, Order::kPacked);
  add("wv", kv_dim, c.dim, Order::kPacked);
  add("wo", c.dim, query_dim, Order::kPacked);
  add("ffn_norm", 1, c.dim, Order::kPlain);
  if (c.experts > 0) add("router", c.experts, c.dim, Order::kPacked);
  for (int64_t e = 0; e < std::max<int64_t>(1, c.experts); ++e) {
    add(fmt::format("experts.{}.w1", e), c.ffn_dim, c.dim, Order::kPacked);
    add(fmt::format("experts.{}.w3", e), c.ffn_dim, c.dim, Order::kPacked);
    add(fmt::format("experts.{}.w2", e), c.dim, c.ffn_dim, Order::kPacked);
  }
}

}  // namespace

std::vector<TensorEntry> tensor_plan(const ModelConfig& config) {
  std::vector<TensorEntry> plan;
  plan.push_back({.name = "embedding", .rows = config.vocab, .cols = config.dim});
  for (int64_t layer = 0; layer < config.layers; ++layer) plan_layer(config, layer, plan);
  plan.push_back({.name = "norm", .order = Order::kPlain, .rows = 1, .cols = config.dim});
  if (!config.tied_output) {
    plan.push_back({.name = "output", .rows = config.vocab, .cols = config.dim});
  }
  return plan;
}

int64_t tensor_bytes(const TensorEntry& entry) {
  return entry.order == Order::kPlain ? entry.rows * entry.cols * 4
                                      : packed_bytes(entry.format, entry.rows, entry.cols);
}

// The data starts after the directory, whose length depends on the offsets in it, so this repeats
// until both agree.
int64_t lay_out(ModelDirectory& directory) {
  int64_t start = 0, end = 0;
  for (int64_t needed = kPageBytes; needed > start;) {
    start = needed;
    end = start;
    for (TensorEntry& entry : directory.tensors) {
      entry.offset = end;
      entry.bytes = tensor_bytes(entry);
      end = page_up(end + entry.bytes);
    }
    const auto length = static_cast<int64_t>(write_directory(directory).size());
    needed = page_up(static_cast<int64_t>(sizeof(ModelHeader)) + length);
  }
  return end;
}

}  // namespace octavo
