#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <utility>

#include "convert/export_plan.h"
#include "core/error.h"
#include "core/parallel.h"
#include "io/contents.h"
#include "io/partial_file.h"
#include "octavo/convert.hpp"
#include "quant/packed.h"
#include "quant/rows.h"

namespace octavo {
namespace {

constexpr int64_t kBatchBytes = int64_t{1} << 20;  // of output for each thread

/// Rows of one tensor of the model file, in row order, whatever order they are wanted in.
class RowReader {
 public:
  void begin(const TensorView& tensor, int64_t interleaved_head_dim) {
    tensor_ = tensor;
    head_dim_ = interleaved_head_dim;
    row_bytes_ = row_bytes(tensor.format, tensor.cols);
    for (Slot& slot : slots_) {
      slot.panel = -1;
      slot.rows.resize(static_cast<size_t>(row_bytes_ * kPanelRows));
    }
  }

  /// Row `row` of the GGUF file's order: row_bytes(format, cols) bytes.
  const std::byte* row(int64_t row) {
    if (tensor_.order == Order::kPlain) return tensor_.data;
    // The two halves of a head lie in different panels; each half has a slot of its own, so that a
    // panel is unpacked once.
    Slot& slot = slots_[head_dim_ == 0 ? 0 : static_cast<size_t>(row % 2)];
    const int64_t source = source_row(row);
    const int64_t panel = source / kPanelRows;
    if (slot.panel != panel) {
      const int rows =
          static_cast<int>(std::min<int64_t>(kPanelRows, tensor_.rows - panel * kPanelRows));
      unpack_panel(tensor_.format,
                   tensor_.data + panel * packed_panel_bytes(tensor_.format, tensor_.cols), rows,
                   tensor_.cols, slot.rows.data(), row_bytes_);
      slot.panel = panel;
    }
    return slot.rows.data() + source % kPanelRows * row_bytes_;
  }

 private:
  struct Slot {
    int64_t panel = -1;
    std::vector<std::byte> rows;  // [kPanelRows, row_bytes_]
  };

  int64_t source_row(int64_t row) const {
    if (head_dim_ == 0) return row;
    const int64_t in_head = row % head_dim_;
    return row - in_head + in_head / 2 + in_head % 2 * (head_dim_ / 2);
  }

  TensorView tensor_;
  int64_t head_dim_ = 0, row_bytes_ = 0;
  std::array<Slot, 2> slots_;
};

class Exporter {
 public:
  Exporter(const ModelFile& model, const ExportOptions& options, PartialFile& output)
      : model_(model),
        options_(options),
        output_(output),
        threads_(resolve_threads(options.threads)),
        readers_(static_cast<size_t>(threads_)),
        values_(static_cast<size_t>(threads_)) {
    for (const TensorEntry& entry : model.directory().tensors) total_bytes_ += entry.bytes;
  }

  void write(const ExportTensor& tensor, const GgufEntry& place) {
    int64_t offset = place.offset;
    for (const size_t part : tensor.parts) {
      const TensorEntry& entry = model_.directory().tensors[part];
      if (!model_.is_intact(entry)) {
        fail(ErrorCode::kFormat,
             "{}: tensor {} is damaged (its checksum differs); copy or convert the model again",
             model_.path(), entry.name);
      }
      offset = write_part(entry, tensor.interleaved_head_dim, place.format, offset);
    }
  }

 private:
  // Returns the offset behind it.
  int64_t write_part(const TensorEntry& entry, int64_t head_dim, Format format, int64_t offset) {
    const int64_t bytes = row_bytes(format, entry.cols);
    for (size_t t = 0; t < readers_.size(); ++t) {
      readers_[t].begin(model_.view(entry), head_dim);
      values_[t].resize(static_cast<size_t>(entry.cols));
    }
    const int64_t panels = packed_panels(entry.rows);
    const int64_t batch =
        std::max<int64_t>(threads_, threads_ * kBatchBytes / (bytes * kPanelRows));
    int64_t released = 0;
    for (int64_t first = 0; first < panels; first += batch) {
      const int64_t last = std::min(first + batch, panels);
      const int64_t begin = first * kPanelRows, end = std::min(last * kPanelRows, entry.rows);
      buffer_.resize(static_cast<size_t>((end - begin) * bytes));
      std::atomic<int64_t> next = first;
      parallel(static_cast<int>(std::min<int64_t>(threads_, last - first)), [&](int thread, int) {
        for (int64_t panel = next++; panel < last; panel = next++) {
          const int64_t from = panel * kPanelRows, to = std::min(from + kPanelRows, entry.rows);
          make_rows(entry.format, format, thread, from, to,
                    buffer_.data() + (from - begin) * bytes);
        }
      });
      output_.write_at(offset, buffer_);
      offset += static_cast<int64_t>(buffer_.size());
      const int64_t done = entry.bytes * last / panels;
      // Interleaved rows come back to pages that were read before, until the end.
      if (head_dim == 0 || last == panels) {
        model_.release(entry, std::exchange(released, done), done);
      }
      report(entry.bytes * last / panels - entry.bytes * first / panels);
    }
    return offset;
  }

  // Rows [from, to) of the GGUF file's order at dst.
  void make_rows(Format stored, Format wanted, int thread, int64_t from, int64_t to,
                 std::byte* dst) {
    RowReader& reader = readers_[static_cast<size_t>(thread)];
    std::vector<float>& values = values_[static_cast<size_t>(thread)];
    const int64_t bytes = row_bytes(wanted, static_cast<int64_t>(values.size()));
    for (int64_t row = from; row < to; ++row, dst += bytes) {
      const std::byte* src = reader.row(row);
      if (wanted == stored) {
        std::memcpy(dst, src, static_cast<size_t>(bytes));
        continue;
      }
      dequantize_row(stored, src, values);
      std::memcpy(dst, values.data(), static_cast<size_t>(bytes));  // wanted is kF32
    }
  }

  void report(int64_t bytes) {
    done_bytes_ += bytes;
    if (options_.progress && !options_.progress(done_bytes_, total_bytes_)) {
      fail(ErrorCode::kCancelled, "the export was cancelled; {} was not written", options_.output);
    }
  }

  const ModelFile& model_;
  const ExportOptions& options_;
  PartialFile& output_;
  const int threads_;
  std::vector<RowReader> readers_;
  std::vector<std::vector<float>> values_;  // [cols] for each thread
  std::vector<std::byte> buffer_;           // rows of the GGUF file
  int64_t total_bytes_ = 0, done_bytes_ = 0;
};

}  // namespace

ExportSummary export_gguf(const ExportOptions& options) {
  const ModelFile model(options.model);
  std::error_code error;
  if (std::filesystem::equivalent(options.model, options.output, error)) {
    fail(ErrorCode::kInvalidArgument, "{} is the model itself; give another name", options.output);
  }
  ExportSummary summary;
  GgufHead head;
  const std::vector<ExportTensor> tensors = plan_export(model.directory(), summary.notes);
  for (const ExportTensor& tensor : tensors) head.add_tensor(tensor.gguf);
  add_metadata(head, model.directory(), options.model, summary.notes);
  const std::string start = head.finish();
  summary.tensors = static_cast<int64_t>(tensors.size());
  for (const GgufEntry& entry : head.tensors()) {
    int64_t weights = 1;
    for (const int64_t extent : entry.shape) weights *= extent;
    add_to(summary.types, format_name(entry.format), weights, entry.bytes);
  }
  summary.output_bytes = head.file_bytes();

  PartialFile output(options.output);
  output.reserve(0, head.file_bytes());
  output.write_at(0, std::as_bytes(std::span(start)));
  Exporter exporter(model, options, output);
  for (size_t i = 0; i < tensors.size(); ++i) exporter.write(tensors[i], head.tensors()[i]);
  output.publish();
  return summary;
}

}  // namespace octavo
