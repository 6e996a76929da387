// Writing an .8vo file: to a temporary name, synced, renamed. A file either is whole or is not
// there.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "io/model_file.h"

namespace octavo {

class ModelWriter {
 public:
  /// Lays the file out (fills offset and bytes of every tensor of `directory`) and creates the
  /// temporary file beside `path`. Throws Error(kIo), at once when the disk cannot hold the file.
  ModelWriter(const std::string& path, ModelDirectory directory);
  /// Removes the temporary file unless finish() succeeded.
  ~ModelWriter();
  ModelWriter(const ModelWriter&) = delete;
  ModelWriter& operator=(const ModelWriter&) = delete;

  const ModelDirectory& directory() const;
  int64_t file_size() const;

  /// Writes bytes of tensor `index`, which must come in order within the tensor; tensors in file
  /// order. Throws Error(kIo).
  void append(size_t index, std::span<const std::byte> bytes);

  /// Writes header and directory, syncs, renames to the final name, syncs the folder. Throws
  /// Error(kIo).
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octavo
