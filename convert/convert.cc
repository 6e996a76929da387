#include "octavo/convert.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <filesystem>
#include <limits>
#include <set>

#include "convert/importance.h"
#include "convert/panel_stream.h"
#include "convert/plan.h"
#include "convert/read_ahead.h"
#include "convert/requantized.h"
#include "convert/source.h"
#include "core/error.h"
#include "io/calibration_file.h"
#include "io/contents.h"
#include "io/model_layout.h"
#include "quant/packed.h"
#include "quant/rows.h"

namespace octavo {
namespace {

bool is_finite(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7F800000u) != 0x7F800000u;
}

bool all_finite(std::span<const float> values) {
  uint32_t bad = 0;  // not bool: so it becomes vector code
  for (const float value : values) bad |= is_finite(value) ? 0 : 1;
  return bad == 0;
}

// Source rows -> f32 -> quantized rows -> panel.
class QuantizingMaker : public PanelMaker {
 public:
  QuantizingMaker(const ModelSource& source, const ConvertOptions& options,
                  const std::optional<Calibration>& calibration, int64_t source_bytes,
                  size_t first_tensor)
      : source_(source),
        options_(options),
        calibration_(calibration),
        source_bytes_(source_bytes),
        ahead_(source) {
    ahead_.start_at(first_tensor);
    ahead_.used(0);
  }

  void begin(const TensorEntry& entry, size_t index, int threads) override {
    entry_ = &entry;
    tensor_ = &source_.tensors[index];
    row_bytes_ = row_bytes(entry.format, entry.cols);
    importance_ = importance_of(calibration_ ? calibration_->find(entry.name) : nullptr);
    copies_ = traits(tensor_->type).same_blocks == entry.format;
    requantized_.begin(tensor_->type, entry.format, entry.cols, threads);
    scratch_.resize(static_cast<size_t>(threads));
    for (Scratch& scratch : scratch_) {
      scratch.values.resize(
          static_cast<size_t>(entry.cols * (tensor_->transposed ? kPanelRows : 1)));
      scratch.rows.resize(static_cast<size_t>(row_bytes_ * kPanelRows));
    }
  }

  void make(int64_t panel, int thread, std::byte* dst) override {
    ahead_.used(std::min<int64_t>(kPanelRows, entry_->rows - panel * kPanelRows) *
                tensor_->row_bytes());
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    const int64_t first = panel * kPanelRows;
    const int rows = static_cast<int>(std::min<int64_t>(kPanelRows, entry_->rows - first));
    const bool at_once = tensor_->transposed;  // its lines have a value of every row
    if (at_once) read_rows(*tensor_, first, rows, scratch.values);
    for (int r = 0; r < rows; ++r) {
      if (copies_ && copy_row(*tensor_, first + r, scratch.rows.data() + r * row_bytes_)) continue;
      const auto values = std::span(scratch.values)
                              .subspan(static_cast<size_t>(at_once ? r * entry_->cols : 0),
                                       static_cast<size_t>(entry_->cols));
      if (!at_once) read_row(*tensor_, first + r, values);
      if (!all_finite(values)) return report(first + r, values);
      std::byte* row = entry_->order == Order::kPlain ? dst : scratch.rows.data() + r * row_bytes_;
      quantize_row(entry_->format, values, row, importance_);
      requantized_.add(thread, values, row);
    }
    if (entry_->order == Order::kPlain) return;
    pack_panel(entry_->format, scratch.rows.data(), row_bytes_, rows, entry_->cols, dst);
  }

  const RequantizedSums& requantized() const { return requantized_; }

  void check() override {
    if (bad_ == kNone) return;
    fail(ErrorCode::kFormat, "{}: tensor {} has a value that is no finite number at [{}, {}]",
         tensor_->file->path(), tensor_->name, source_row(*tensor_, bad_ / tensor_->cols),
         bad_ % tensor_->cols);
  }

  void skip(size_t index) override { done_bytes_ += source_.tensors[index].bytes(); }

  bool done(int64_t first, int64_t last) override {
    const int64_t begin = first * kPanelRows, end = std::min(last * kPanelRows, tensor_->rows);
    release_rows(*tensor_, begin, end);
    done_bytes_ += (end - begin) * tensor_->row_bytes();
    return !options_.progress || options_.progress(done_bytes_, source_bytes_);
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  struct Scratch {
    std::vector<float> values;    // a row, or all rows of the panel
    std::vector<std::byte> rows;  // a panel in row order
  };

  // Keeps the first position in the tensor, whichever thread comes first.
  void report(int64_t row, std::span<const float> values) {
    const auto bad = std::find_if_not(values.begin(), values.end(), is_finite);
    const int64_t at = row * entry_->cols + (bad - values.begin());
    int64_t known = bad_;
    while (at < known && !bad_.compare_exchange_weak(known, at)) {
    }
  }

  const ModelSource& source_;
  const ConvertOptions& options_;
  const std::optional<Calibration>& calibration_;
  const int64_t source_bytes_;
  ReadAhead ahead_;
  const TensorEntry* entry_ = nullptr;
  const SourceTensor* tensor_ = nullptr;
  int64_t row_bytes_ = 0, done_bytes_ = 0;
  bool copies_ = false;            // the source's blocks as they are
  std::vector<float> importance_;  // [cols] of the tensor; empty: none
  RequantizedSums requantized_;
  std::vector<Scratch> scratch_;
  std::atomic<int64_t> bad_ = kNone;
};

bool is_quantized(const ModelSource& source) {
  return std::any_of(source.tensors.begin(), source.tensors.end(),
                     [](const SourceTensor& tensor) { return traits(tensor.type).block_cols > 1; });
}

std::optional<Calibration> load_calibration(const ModelSource& source,
                                            const ConvertOptions& options) {
  if (options.calibration.empty()) return {};
  Calibration calibration = Calibration::load(options.calibration);
  calibration.check_fits(source.config, options.calibration, source.path);
  return calibration;
}

ModelDirectory plan(const ModelSource& source, const ConvertOptions& options,
                    const std::optional<Calibration>& calibration) {
  const bool keeps = is_quantized(source);
  const Recipe recipe =
      make_recipe(recipe_wanted(options.type, options.recipe, keeps ? "" : "q4_k"),
                  options.type_for, source.config);
  ModelDirectory directory =
      plan_directory(source.config, recipe, [&](const TensorEntry&, size_t index) {
        return keeps ? traits(source.tensors[index].type).kept_as : Format::kQ4_K;
      });
  directory.tokenizer = source.tokenizer;
  directory.chat_template = source.chat_template;
  directory.source = source.description;
  directory.notes.insert(directory.notes.begin(), source.notes.begin(), source.notes.end());
  if (source.tokenizer.empty()) {
    directory.notes.push_back("the source has no tokenizer.model: this model takes ids, no text");
  }
  if (calibration) {
    directory.notes.push_back(
        fmt::format("scales searched for the inputs of {} tokens of text {:016x}",
                    calibration->tokens(), calibration->text_hash()));
  }
  return directory;
}

// Of a directory that is laid out.
ConvertSummary summarize(const ModelSource& source, const ModelDirectory& directory,
                         int64_t file_bytes) {
  ConvertSummary summary;
  summary.contents = contents_of(directory, file_bytes);
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    summary.contents.tensors[i].source_type = traits(source.tensors[i].type).name;
    summary.source_bytes += source.tensors[i].bytes();
  }
  summary.requantized = plan_requantized(source, directory);
  return summary;
}

// Every file that values come from, as it is now, and the program that reads them.
std::string fingerprint(const ModelSource& source) {
  namespace fs = std::filesystem;
  std::set<std::string> paths;
  for (const SourceTensor& tensor : source.tensors) paths.insert(tensor.file->path());
  std::string text = OCTAVO_VERSION;
  for (const std::string& path : paths) {
    std::error_code error;
    text += fmt::format("\n{} {} {}", fs::weakly_canonical(path, error).string(),
                        fs::file_size(path, error),
                        fs::last_write_time(path, error).time_since_epoch().count());
  }
  return text;
}

WriteOptions write_options(const ModelSource& source, const ConvertOptions& options,
                           const std::optional<Calibration>& calibration, int64_t source_bytes) {
  WriteOptions result;
  result.resumable = true;
  result.resume = options.resume;
  result.source = fingerprint(source);
  if (calibration) result.calibration = fmt::format("{:016x}", calibration->checksum());
  result.threads = options.threads;
  result.checked = [&source, &options, source_bytes](size_t tensors) {
    int64_t bytes = 0;
    for (size_t i = 0; i < tensors; ++i) bytes += source.tensors[i].bytes();
    return !options.progress || options.progress(bytes, source_bytes);
  };
  return result;
}

void warn(const ConvertOptions& options, const std::string& line) {
  if (options.warn) options.warn(line);
}

ModelSource open_with_warnings(const ConvertOptions& options) {
  ModelSource source = open_source(options.source, options.window);
  for (const std::string& line : source.warnings) warn(options, line);
  return source;
}

}  // namespace

ConvertSummary plan_conversion(const ConvertOptions& options) {
  const ModelSource source = open_with_warnings(options);
  ModelDirectory directory = plan(source, options, load_calibration(source, options));
  const int64_t file_bytes = lay_out(directory);
  ConvertSummary summary = summarize(source, directory, file_bytes);
  if (!options.output.empty()) summary.free_bytes = free_bytes_for(options.output);
  return summary;
}

ConvertSummary convert(const ConvertOptions& options) {
  const ModelSource source = open_with_warnings(options);
  const std::optional<Calibration> calibration = load_calibration(source, options);
  int64_t source_bytes = 0;
  for (const SourceTensor& tensor : source.tensors) source_bytes += tensor.bytes();
  ModelWriter writer(options.output, plan(source, options, calibration),
                     write_options(source, options, calibration, source_bytes));
  if (options.resume && writer.next_tensor() == 0) {
    warn(options, fmt::format("there is nothing to resume: {} holds no finished tensor; starting "
                              "from the beginning",
                              writer.partial_path()));
  }
  QuantizingMaker maker(source, options, calibration, source_bytes, writer.next_tensor());
  if (!stream_panels(writer, maker, options.threads)) {
    const bool is_kept = writer.keep();
    fail(ErrorCode::kCancelled, "the conversion was stopped, {} is not written; {}", options.output,
         is_kept
             ? fmt::format("continue with --resume ({} has what is done)", writer.partial_path())
             : "not one tensor was done, so nothing is kept");
  }
  ConvertSummary summary = summarize(source, writer.directory(), writer.file_size());
  maker.requantized().fill(summary.requantized);
  return summary;
}

}  // namespace octavo
