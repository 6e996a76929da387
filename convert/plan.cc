#include "convert/plan.h"

#include <fmt/format.h>

#include <map>

#include "io/model_layout.h"

namespace octavo {
namespace {

bool is_router(const TensorEntry& entry) { return entry.name.ends_with(".router"); }

int64_t whole_tiles(const TensorEntry& entry) {
  return packed_tiles(entry.format, entry.cols) * traits(entry.format).tile_cols;
}

// One note for each width that is stored in another way than asked for, or padded.
void add_notes(Format format, ModelDirectory& directory) {
  std::map<std::string, int64_t> counts;
  for (const TensorEntry& entry : directory.tensors) {
    if (entry.order == Order::kPlain || is_router(entry)) continue;
    if (entry.format != format) {
      ++counts[fmt::format("of {} columns stored as {}: {} needs a multiple of {}", entry.cols,
                           format_name(entry.format), format_name(format),
                           traits(format).block_cols)];
    }
    if (whole_tiles(entry) != entry.cols) {
      ++counts[fmt::format("of {} columns padded to {}", entry.cols, whole_tiles(entry))];
    }
    if (entry.rows % kPanelRows != 0) {
      ++counts[fmt::format("of {} rows padded to {}", entry.rows,
                           packed_panels(entry.rows) * kPanelRows)];
    }
  }
  for (const auto& [what, count] : counts) {
    directory.notes.push_back(fmt::format("{} tensor{} {}", count, count == 1 ? "" : "s", what));
  }
}

}  // namespace

ModelDirectory plan_directory(const ModelConfig& config, Format format) {
  ModelDirectory directory;
  directory.config = config;
  directory.requested_format = format_name(format);
  directory.tensors = tensor_plan(config);
  for (TensorEntry& entry : directory.tensors) {
    const bool keeps_f32 = entry.order == Order::kPlain || is_router(entry);
    entry.format = keeps_f32 ? Format::kF32 : storable_format(format, entry.cols);
  }
  add_notes(format, directory);
  return directory;
}

ConvertSummary summarize(ModelDirectory directory, int64_t source_bytes) {
  ConvertSummary summary;
  summary.output_bytes = lay_out(directory);
  summary.source_bytes = source_bytes;
  summary.directory = std::move(directory);
  return summary;
}

}  // namespace octavo
