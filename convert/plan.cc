#include "convert/plan.h"

#include <fmt/format.h>

#include <map>

namespace octavo {
namespace {

bool is_router(const TensorEntry& entry) { return entry.name.ends_with(".router"); }

int64_t whole_tiles(const TensorEntry& entry) {
  return packed_tiles(entry.format, entry.cols) * traits(entry.format).tile_cols;
}

// One note for each width that is stored in another way than asked for, or padded.
class Notes {
 public:
  void add(const TensorEntry& entry, Format wanted) {
    if (entry.format != wanted) {
      ++counts_[fmt::format("of {} columns stored as {}: {} needs a multiple of {}", entry.cols,
                            format_name(entry.format), format_name(wanted),
                            traits(wanted).block_cols)];
    }
    if (whole_tiles(entry) != entry.cols) {
      ++counts_[fmt::format("of {} columns padded to {}", entry.cols, whole_tiles(entry))];
    }
    if (entry.rows % kPanelRows != 0) {
      ++counts_[fmt::format("of {} rows padded to {}", entry.rows,
                            packed_panels(entry.rows) * kPanelRows)];
    }
  }
  std::vector<std::string> text() const {
    std::vector<std::string> lines;
    for (const auto& [what, count] : counts_) {
      lines.push_back(fmt::format("{} tensor{} {}", count, count == 1 ? "" : "s", what));
    }
    return lines;
  }

 private:
  std::map<std::string, int64_t> counts_;
};

}  // namespace

ModelDirectory plan_directory(const ModelConfig& config, const Recipe& recipe,
                              const FormatChoice& otherwise) {
  ModelDirectory directory;
  directory.config = config;
  directory.requested_format = recipe.name;
  directory.tensors = tensor_plan(config);
  const std::vector<std::string> types = apply_rules(recipe.rules, directory.tensors);
  Notes notes;
  for (size_t i = 0; i < directory.tensors.size(); ++i) {
    TensorEntry& entry = directory.tensors[i];
    if (entry.order == Order::kPlain || is_router(entry)) {
      entry.format = Format::kF32;
      continue;
    }
    const Format wanted = types[i].empty() ? otherwise(entry, i) : format_named(types[i]);
    entry.format = storable_format(wanted, entry.cols);
    notes.add(entry, wanted);
  }
  directory.notes = notes.text();
  return directory;
}

}  // namespace octavo
