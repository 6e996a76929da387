#include "convert/export_plan.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace octavo {
namespace {

class Planner {
 public:
  explicit Planner(const ModelDirectory& directory) : directory_(directory) {
    for (size_t i = 0; i < directory.tensors.size(); ++i) index_[directory.tensors[i].name] = i;
  }

  /// A tensor of the model file that becomes one of the GGUF file.
  ExportTensor& add(const std::string& gguf_name, const std::string& name) {
    const TensorEntry& entry = entry_of(name);
    std::vector<int64_t> shape = {entry.cols};
    if (entry.order != Order::kPlain) shape.insert(shape.begin(), entry.rows);
    return add(gguf_name, {name}, std::move(shape));
  }

  /// Tensors of one shape, of all experts, that become one. `which`: "w1", "w2" or "w3".
  void add_experts(const std::string& gguf_name, int64_t layer, std::string_view which) {
    std::vector<std::string> names;
    for (int64_t e = 0; e < directory_.config.experts; ++e) {
      names.push_back(fmt::format("layers.{}.experts.{}.{}", layer, e, which));
    }
    const TensorEntry& first = entry_of(names.front());
    add(gguf_name, names, {directory_.config.experts, first.rows, first.cols});
  }

  std::vector<ExportTensor> take() { return std::move(tensors_); }

  std::vector<std::string> notes() const {
    std::vector<std::string> lines;
    for (const auto& [what, count] : notes_) {
      lines.push_back(fmt::format("{} tensor{} {}", count, count == 1 ? "" : "s", what));
    }
    return lines;
  }

 private:
  const TensorEntry& entry_of(const std::string& name) const {
    return directory_.tensors[index_.at(name)];
  }

  ExportTensor& add(const std::string& gguf_name, const std::vector<std::string>& names,
                    std::vector<int64_t> shape) {
    ExportTensor tensor;
    tensor.gguf.name = gguf_name;
    tensor.gguf.shape = std::move(shape);
    for (const std::string& name : names) tensor.parts.push_back(index_.at(name));
    tensor.gguf.format = lossless_format(tensor.parts);
    tensors_.push_back(std::move(tensor));
    return tensors_.back();
  }

  // The format in which GGUF can hold all the parts as they are: their own, or f32, which has every
  // value of every format.
  Format lossless_format(const std::vector<size_t>& parts) {
    std::set<Format> formats;
    for (const size_t part : parts) formats.insert(directory_.tensors[part].format);
    const Format format = *formats.begin();
    if (formats.size() > 1) {
      std::string list;
      for (const Format each : formats) {
        list += fmt::format("{}{}", list.empty() ? "" : ", ", format_name(each));
      }
      ++notes_[fmt::format("stored as f32: the experts in one have different types ({})", list)];
      return Format::kF32;
    }
    const int64_t cols = directory_.tensors[parts.front()].cols;
    const int block = traits(format).block_cols;
    if (cols % block == 0) return format;
    ++notes_[fmt::format("of {} columns stored as f32: {} in GGUF needs a multiple of {}", cols,
                         format_name(format), block)];
    return Format::kF32;
  }

  const ModelDirectory& directory_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<ExportTensor> tensors_;
  std::map<std::string, int64_t> notes_;
};

void add_layer(Planner& planner, const ModelConfig& config, int64_t layer) {
  const std::string ours = fmt::format("layers.{}.", layer);
  const auto theirs = [&](std::string_view name) {
    return fmt::format("blk.{}.{}.weight", layer, name);
  };
  planner.add(theirs("attn_norm"), ours + "attention_norm");
  planner.add(theirs("attn_q"), ours + "wq").interleaved_head_dim = config.head_dim;
  planner.add(theirs("attn_k"), ours + "wk").interleaved_head_dim = config.head_dim;
  planner.add(theirs("attn_v"), ours + "wv");
  planner.add(theirs("attn_output"), ours + "wo");
  planner.add(theirs("ffn_norm"), ours + "ffn_norm");
  constexpr std::pair<std::string_view, std::string_view> kMatrices[] = {
      {"ffn_gate", "w1"}, {"ffn_up", "w3"}, {"ffn_down", "w2"}};
  if (config.experts > 0) planner.add(theirs("ffn_gate_inp"), ours + "router");
  for (const auto& [name, which] : kMatrices) {
    if (config.experts > 0) {
      planner.add_experts(theirs(fmt::format("{}_exps", name)), layer, which);
    } else {
      planner.add(theirs(name), fmt::format("{}experts.0.{}", ours, which));
    }
  }
}

}  // namespace

std::vector<ExportTensor> plan_export(const ModelDirectory& directory,
                                      std::vector<std::string>& notes) {
  Planner planner(directory);
  planner.add("token_embd.weight", "embedding");
  for (int64_t layer = 0; layer < directory.config.layers; ++layer) {
    add_layer(planner, directory.config, layer);
  }
  planner.add("output_norm.weight", "norm");
  if (!directory.config.tied_output) planner.add("output.weight", "output");
  const std::vector<std::string> lines = planner.notes();
  notes.insert(notes.end(), lines.begin(), lines.end());
  return planner.take();
}

}  // namespace octavo
