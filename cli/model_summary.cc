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

std::vector<FileExtent> file_map(const ModelContents& contents) {
  std::vector<FileExtent> map;
  if (contents.tensors.empty()) return map;
  map.push_back({"header, directory", 0, contents.tensors.front().offset});
  for (const TensorInfo& entry : contents.tensors) {
    // "layers.3.wq" belongs to "layers.3"; other names stand for themselves.
    const size_t second_dot = entry.name.find('.', entry.name.find('.') + 1);
    const std::string name = entry.name.substr(0, second_dot);
    if (map.back().name != name) map.push_back({name, entry.offset, 0});
    map.back().bytes = entry.offset + entry.bytes - map.back().offset;
  }
  return map;
}

std::string formats_text(const ModelContents& contents) {
  std::string text = fmt::format("{:<8} {:>7} {:>16} {:>12} {:>7} {:>7}\n", "format", "tensors",
                                 "weights", "size", "bits", "share");
  for (const TypeTotals& type : contents.types) {
    const auto bytes = static_cast<double>(type.bytes);
    text += fmt::format("{:<8} {:>7} {:>16} {:>12} {:>7.3f} {:>5.1f} %\n", type.type, type.tensors,
                        count_text(type.weights), size_text(type.bytes),
                        8 * bytes / static_cast<double>(type.weights),
                        100 * bytes / static_cast<double>(contents.weight_bytes));
  }
  return text;
}

std::string file_map_text(const ModelContents& contents) {
  std::string text = fmt::format("{:<17} {:>16} {:>14}\n", "file map", "from byte", "bytes");
  for (const FileExtent& extent : file_map(contents)) {
    text += fmt::format("{:<17} {:>16} {:>14}\n", extent.name, extent.offset, extent.bytes);
  }
  return text;
}

std::string summary_text(const ModelContents& contents) {
  std::string text = fmt::format("model    {}", model_text(contents.config));
  text += fmt::format("source   {}\n", contents.source);
  text += fmt::format("text     {}, {}\n",
                      contents.tokenizer_bytes == 0
                          ? "no tokenizer"
                          : fmt::format("tokenizer of {} bytes", contents.tokenizer_bytes),
                      contents.chat_template.empty() ? "no chat template" : "chat template");
  text += fmt::format("weights  {}, {} of them for a token\n", count_text(contents.weights),
                      count_text(contents.active_weights));
  text +=
      fmt::format("type     {}, {:.3f} bits a weight\n", contents.type, contents.bits_per_weight());
  text += fmt::format("size     {} in {} tensors\n", size_text(contents.file_bytes),
                      contents.tensors.size());
  for (const std::string& note : contents.notes) text += fmt::format("note     {}\n", note);
  return text + "\n" + tensor_table(group_tensors(contents));
}

}  // namespace octavo::cli
