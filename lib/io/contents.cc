#include "io/contents.h"

#include <algorithm>

namespace octavo {
namespace {

void count_weights(const ModelDirectory& directory, ModelContents& contents) {
  const ModelConfig& c = directory.config;
  // Of each expert tensor a token uses top-k in experts: whole numbers only when summed over all.
  int64_t expert_weights = 0, expert_bytes = 0;
  for (const TensorEntry& entry : directory.tensors) {
    const int64_t weights = entry.rows * entry.cols;
    add_to(contents.types, format_name(entry.format), weights, entry.bytes);
    contents.weights += weights;
    contents.weight_bytes += entry.bytes;
    if (c.experts > 0 && entry.name.find(".experts.") != std::string::npos) {
      expert_weights += weights;
      expert_bytes += entry.bytes;
    } else if (entry.name != "embedding" || c.tied_output) {
      contents.active_weights += weights;
      contents.active_bytes += entry.bytes;
    }
  }
  if (c.experts == 0) return;
  contents.active_weights += expert_weights / c.experts * c.experts_per_token;
  contents.active_bytes += expert_bytes / c.experts * c.experts_per_token;
}

}  // namespace

void add_to(std::vector<TypeTotals>& types, std::string_view type, int64_t weights, int64_t bytes) {
  auto at = std::lower_bound(
      types.begin(), types.end(), type,
      [](const TypeTotals& row, std::string_view name) { return row.type < name; });
  if (at == types.end() || at->type != type) at = types.insert(at, {std::string(type)});
  ++at->tensors;
  at->weights += weights;
  at->bytes += bytes;
}

ModelContents contents_of(const ModelDirectory& directory, int64_t file_bytes) {
  ModelContents contents;
  contents.version = kModelVersion;
  contents.file_bytes = file_bytes;
  contents.config = directory.config;
  contents.type = directory.requested_format;
  contents.source = directory.source;
  contents.notes = directory.notes;
  contents.tokenizer_bytes = static_cast<int64_t>(directory.tokenizer.size());
  contents.chat_template = directory.chat_template;
  for (const TensorEntry& entry : directory.tensors) {
    contents.tensors.push_back({entry.name, std::string(format_name(entry.format)), "", entry.rows,
                                entry.cols, entry.offset, entry.bytes, entry.checksum});
  }
  count_weights(directory, contents);
  return contents;
}

}  // namespace octavo
