// A checkpoint, whatever its layout: the config, and every tensor of the model file as rows of f32.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/source_type.h"
#include "io/mapped_file.h"
#include "model/config.h"

namespace octavo {

/// A tensor of the checkpoint (or a part of one) that becomes one tensor of the model file.
struct SourceTensor {
  std::string name;  ///< in the checkpoint, with the part and ".T" where it is one: for messages
  std::shared_ptr<const MappedFile> file;
  SourceType type = SourceType::kF32;
  int64_t offset = 0;  ///< of its first block in the file
  int64_t rows = 0, cols = 0;
  /// Stored as [cols, rows]; floats only.
  bool transposed = false;
  /// Not 0: rows come as interleaved pairs (2 i, 2 i + 1) within heads of this many rows, and are
  /// given as half-split ones (i, i + head_dim / 2).
  int64_t interleaved_head_dim = 0;

  /// Of one row of the model file, wherever its values lie.
  int64_t row_bytes() const { return cols / traits(type).block_cols * traits(type).block_bytes; }
  int64_t bytes() const { return rows * row_bytes(); }
};

struct ModelSource {
  std::string path;
  std::string description;  ///< for people
  ModelConfig config;
  std::string tokenizer;      ///< the SentencePiece model; empty: none
  std::string chat_template;  ///< Jinja; empty: none
  std::vector<std::string> notes;
  std::vector<std::string> warnings;  ///< those of the notes that one should see at once
  std::vector<SourceTensor> tensors;  ///< in the order of tensor_plan(config), all checked
};

/// Opens a folder of HF safetensors or of Mistral's own files (safetensors or PyTorch archives), or
/// a GGUF file. `window` replaces the source's, 0: none. Throws Error, naming file, tensor, what
/// was expected and what was found.
ModelSource open_source(const std::string& path, std::optional<int64_t> window = std::nullopt);

/// Where row `row` of the model file's order is in the checkpoint.
int64_t source_row(const SourceTensor& tensor, int64_t row);

/// Row `row` (in the model file's order) of a tensor as f32. dst [cols].
void read_row(const SourceTensor& tensor, int64_t row, std::span<float> dst);

/// Rows [first, first + count), each as read_row gives it; for a transposed tensor much faster than
/// one by one. dst [count, cols].
void read_rows(const SourceTensor& tensor, int64_t first, int64_t count, std::span<float> dst);

/// Row `row` (in the model file's order) in blocks of the type's same_blocks; not of a transposed
/// tensor. dst holds that format's row_bytes(). False, with nothing done, when a scale is no finite
/// number.
bool copy_row(const SourceTensor& tensor, int64_t row, std::byte* dst);

/// Has the kernel read rows [first, last) in the model file's order, without waiting for them.
void request_rows(const SourceTensor& tensor, int64_t first, int64_t last);

/// Tells the kernel that rows [first, last) in the model file's order, handed out in order, are
/// done with.
void release_rows(const SourceTensor& tensor, int64_t first, int64_t last);

/// The config.json of a Mixtral or Mistral checkpoint, the window as it says. Notes for people are
/// added to `notes`.
ModelConfig read_hf_config(const std::string& path, std::vector<std::string>& notes);

}  // namespace octavo
