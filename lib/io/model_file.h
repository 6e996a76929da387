// Reading an .8vo file. docs/format.md is the specification.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "io/mapped_file.h"
#include "model/config.h"
#include "octavo/progress.hpp"

namespace octavo {

inline constexpr char kModelMagic[8] = {'O', 'C', 'T', 'A', 'V', 'O', '\r', '\n'};
inline constexpr uint32_t kModelVersion = 1;
inline constexpr int64_t kPageBytes = 4096;

/// One row of the directory.
struct TensorEntry {
  std::string name;  ///< "layers.3.experts.5.w1"; docs/format.md lists all
  Format format = Format::kF32;
  Order order = Order::kPacked;
  int64_t rows = 0, cols = 0;
  int64_t offset = 0;  ///< from the start of the file, a multiple of kPageBytes
  int64_t bytes = 0;
  uint64_t checksum = 0;  ///< XXH3-64 of the bytes
};

/// Everything in a model file but the weights' bytes.
struct ModelDirectory {
  ModelConfig config;
  std::string requested_format;      ///< what `--type` said; single tensors may differ
  std::string tokenizer;             ///< the SentencePiece model, byte for byte; empty: none
  std::string chat_template;         ///< Jinja source; empty: none
  std::string source;                ///< what it was converted from, for people
  std::vector<std::string> notes;    ///< fall-backs of single tensors and the like, for people
  std::vector<TensorEntry> tensors;  ///< in file order
};

/// A mapped model. Opening checks header, directory, their checksums, every extent and every shape
/// against the config; the weights' own checksums only on verify(). Throws Error(kIo | kFormat |
/// kUnsupported).
class ModelFile {
 public:
  explicit ModelFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  int64_t size() const { return file_.size(); }
  const ModelDirectory& directory() const { return directory_; }
  const ModelConfig& config() const { return directory_.config; }

  bool has(std::string_view name) const { return index_.find(name) != index_.end(); }
  /// Throws Error(kFormat) when there is no such tensor or it is not [rows, cols].
  TensorView tensor(std::string_view name, int64_t rows, int64_t cols) const;
  TensorView view(const TensorEntry& entry) const;

  /// Recomputes a tensor's checksum.
  bool is_intact(const TensorEntry& entry) const;
  /// Recomputes every tensor's checksum; returns the names of those that differ. Progress is in
  /// bytes. Throws Error(kCancelled) when it was stopped.
  std::vector<std::string> verify(int threads, const Progress& progress = {}) const;
  /// Tells the kernel that bytes [first, last) of a tensor have been read and their pages may go.
  void release(const TensorEntry& entry, int64_t first, int64_t last) const {
    file_.release(entry.offset + first, last - first);
  }

 private:
  MappedFile file_;
  ModelDirectory directory_;
  std::map<std::string, size_t, std::less<>> index_;
};

/// Parses and checks header and directory of `bytes` (a whole file, or its start with `file_size`
/// given): the fuzzed entry. `name` stands in messages. Throws Error.
ModelDirectory parse_model_directory(std::span<const std::byte> bytes, int64_t file_size,
                                     const std::string& name);

/// The tensors that a model of this config consists of, in file order, with offset, bytes and
/// checksum zero and format kF32 (the converter fills them). Norms and the router are always f32.
std::vector<TensorEntry> tensor_plan(const ModelConfig& config);

}  // namespace octavo
