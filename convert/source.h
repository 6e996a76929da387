// A checkpoint, whatever its layout: the config, and every tensor of the model file as rows of f32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "convert/safetensors.h"
#include "model/config.h"

namespace octavo {

/// The types that weights come in.
enum class SourceType : uint8_t { kF32, kF16, kBF16 };

/// A tensor of the checkpoint that becomes one tensor of the model file.
struct SourceTensor {
  std::string name;  ///< in the checkpoint
  const MappedFile* file = nullptr;
  SourceType type = SourceType::kF32;
  int64_t offset = 0;  ///< of its bytes in the file
  int64_t rows = 0, cols = 0;
  /// Not 0: rows come as interleaved pairs (2 i, 2 i + 1) within heads of this many rows, and are
  /// given as half-split ones (i, i + head_dim / 2).
  int64_t interleaved_head_dim = 0;

  int64_t row_bytes() const { return cols * (type == SourceType::kF32 ? 4 : 2); }
  int64_t bytes() const { return rows * row_bytes(); }
};

struct ModelSource {
  std::string path;
  std::string description;  ///< for people
  ModelConfig config;
  std::string tokenizer;      ///< the SentencePiece model; empty: none
  std::string chat_template;  ///< Jinja; empty: none
  std::vector<std::string> notes;
  std::vector<std::unique_ptr<SafetensorsFile>> files;
  std::vector<SourceTensor> tensors;  ///< in the order of tensor_plan(config), all checked
};

/// Opens a folder of HF safetensors or of Mistral's own files. Throws Error, naming file, tensor,
/// what was expected and what was found.
ModelSource open_source(const std::string& path);

/// Where row `row` of the model file's order is in the checkpoint.
int64_t source_row(const SourceTensor& tensor, int64_t row);

/// Row `row` (in the model file's order) of a tensor as f32. dst [cols].
void read_row(const SourceTensor& tensor, int64_t row, std::span<float> dst);

/// The config.json of a Mixtral or Mistral checkpoint. Notes for people are added to `notes`.
ModelConfig read_hf_config(const std::string& path, std::vector<std::string>& notes);

}  // namespace octavo
