#include "model_summary.h"

#include <fmt/format.h>

#include "tensor_table.h"

namespace octavo::cli {
namespace {

// Continuation lines stand under the first one's text.
std::string model_text(const ModelConfig& c) {
  const std::string ffn = c.experts > 0 ? fmt::format("{} experts of {}, {} a token", c.experts,
                                                      c.ffn_dim, c.experts_per_token)
                                        : fmt::format("FFN of {}", c.ffn_dim);
  std::string text =
      fmt::format("{}, {} layers of width {}, {}\n", c.architecture, c.layers, c.dim, ffn);
  text += fmt::format("         {} heads of {}, {} for keys and values, {}\n", c.heads, c.head_dim,
                      c.kv_heads,
                      c.window > 0 ? fmt::format("sliding window of {}", c.window) : "no window");
  return text +
         fmt::format("         vocabulary of {}{}, context of {}, rope theta {:g}, norm eps {:g}\n",
                     c.vocab, c.tied_output ? " (output tied to the embedding)" : "", c.context,
                     c.rope_theta, c.norm_eps);
}

}  // namespace

ModelTotals total(const ModelDirectory& directory) {
  ModelTotals totals;
  const ModelConfig& c = directory.config;
  // Of each expert tensor a token uses top-k in experts: whole numbers only when summed over all.
  int64_t expert_weights = 0, expert_bytes = 0;
  for (const TensorEntry& entry : directory.tensors) {
    const int64_t weights = entry.rows * entry.cols;
    FormatTotals& format = totals.formats[std::string(format_name(entry.format))];
    ++format.tensors;
    format.weights += weights;
    format.bytes += entry.bytes;
    totals.weights += weights;
    totals.bytes += entry.bytes;
    if (c.experts > 0 && entry.name.find(".experts.") != std::string::npos) {
      expert_weights += weights;
      expert_bytes += entry.bytes;
    } else if (entry.name != "embedding" || c.tied_output) {
      totals.active_weights += weights;
      totals.active_bytes += entry.bytes;
    }
  }
  if (c.experts > 0) {
    totals.active_weights += expert_weights / c.experts * c.experts_per_token;
    totals.active_bytes += expert_bytes / c.experts * c.experts_per_token;
  }
  return totals;
}

std::vector<FileExtent> file_map(const ModelDirectory& directory) {
  std::vector<FileExtent> map;
  if (directory.tensors.empty()) return map;
  map.push_back({"header, directory", 0, directory.tensors.front().offset});
  for (const TensorEntry& entry : directory.tensors) {
    // "layers.3.wq" belongs to "layers.3"; other names stand for themselves.
    const size_t second_dot = entry.name.find('.', entry.name.find('.') + 1);
    const std::string name = entry.name.substr(0, second_dot);
    if (map.back().name != name) map.push_back({name, entry.offset, 0});
    map.back().bytes = entry.offset + entry.bytes - map.back().offset;
  }
  return map;
}

std::string formats_text(const ModelDirectory& directory) {
  std::string text = fmt::format("{:<8} {:>7} {:>16} {:>12} {:>7} {:>7}\n", "format", "tensors",
                                 "weights", "size", "bits", "share");
  const ModelTotals totals = total(directory);
  for (const auto& [name, format] : totals.formats) {
    const auto bytes = static_cast<double>(format.bytes);
    text += fmt::format("{:<8} {:>7} {:>16} {:>12} {:>7.3f} {:>5.1f} %\n", name, format.tensors,
                        count_text(format.weights), size_text(format.bytes),
                        8 * bytes / static_cast<double>(format.weights),
                        100 * bytes / static_cast<double>(totals.bytes));
  }
  return text;
}

std::string file_map_text(const ModelDirectory& directory) {
  std::string text = fmt::format("{:<17} {:>16} {:>14}\n", "file map", "from byte", "bytes");
  for (const FileExtent& extent : file_map(directory)) {
    text += fmt::format("{:<17} {:>16} {:>14}\n", extent.name, extent.offset, extent.bytes);
  }
  return text;
}

std::string summary_text(const ModelDirectory& directory, int64_t file_bytes,
                         const std::vector<std::string>& source_types) {
  const ModelTotals totals = total(directory);
  std::string text = fmt::format("model    {}", model_text(directory.config));
  text += fmt::format("source   {}\n", directory.source);
  text += fmt::format("text     {}, {}\n",
                      directory.tokenizer.empty()
                          ? "no tokenizer"
                          : fmt::format("tokenizer of {} bytes", directory.tokenizer.size()),
                      directory.chat_template.empty() ? "no chat template" : "chat template");
  text += fmt::format("weights  {}, {} of them for a token\n", count_text(totals.weights),
                      count_text(totals.active_weights));
  text += fmt::format("type     {}, {:.3f} bits a weight\n", directory.requested_format,
                      totals.bits_per_weight());
  text +=
      fmt::format("size     {} in {} tensors\n", size_text(file_bytes), directory.tensors.size());
  for (const std::string& note : directory.notes) text += fmt::format("note     {}\n", note);
  return text + "\n" + tensor_table(group_tensors(directory, source_types));
}

}  // namespace octavo::cli
