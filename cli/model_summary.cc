#include "model_summary.h"

#include <fmt/format.h>

namespace octavo::cli {
namespace {

std::string shape_text(const ModelConfig& c) {
  std::string text = fmt::format("{}: {} layers, width {}, {} heads of {} ({} for keys and values)",
                                 c.architecture, c.layers, c.dim, c.heads, c.head_dim, c.kv_heads);
  if (c.experts > 0) {
    text +=
        fmt::format(", {} experts of {}, {} a token", c.experts, c.ffn_dim, c.experts_per_token);
  } else {
    text += fmt::format(", FFN of {}", c.ffn_dim);
  }
  return text;
}

std::string text_shape(const ModelConfig& c) {
  const std::string window =
      c.window > 0 ? fmt::format(", sliding window of {}", c.window) : std::string();
  return fmt::format("vocabulary of {}, context of {}{}, rope theta {:g}, norm eps {:g}{}", c.vocab,
                     c.context, window, c.rope_theta, c.norm_eps,
                     c.tied_output ? ", output tied to the embedding" : "");
}

// 46.70 billion, 12.45 million, 901.
std::string count_text(int64_t count) {
  const auto value = static_cast<double>(count);
  if (value >= 1e9) return fmt::format("{:.2f} billion", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f} million", value / 1e6);
  return std::to_string(count);
}

std::string size_text(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return value >= 1e9 ? fmt::format("{:.2f} GB", value / 1e9)
                      : fmt::format("{:.2f} MB", value / 1e6);
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

std::string summary_text(const ModelDirectory& directory, int64_t file_bytes) {
  const ModelTotals totals = total(directory);
  std::string text = fmt::format("model    {}\n         {}\n", shape_text(directory.config),
                                 text_shape(directory.config));
  text += fmt::format("source   {}\n", directory.source);
  text += fmt::format("text     {}, {}\n",
                      directory.tokenizer.empty()
                          ? "no tokenizer"
                          : fmt::format("tokenizer of {} bytes", directory.tokenizer.size()),
                      directory.chat_template.empty() ? "no chat template" : "chat template");
  text += fmt::format("weights  {}, {} of them for a token\n", count_text(totals.weights),
                      count_text(totals.active_weights));
  text += fmt::format("size     {} in {} tensors, {:.3f} bits a weight\n", size_text(file_bytes),
                      directory.tensors.size(), totals.bits_per_weight());
  for (const auto& [name, format] : totals.formats) {
    text += fmt::format("{:<8} {} tensors, {} weights, {}\n", name, format.tensors,
                        count_text(format.weights), size_text(format.bytes));
  }
  for (const std::string& note : directory.notes) text += fmt::format("note     {}\n", note);
  return text;
}

}  // namespace octavo::cli
