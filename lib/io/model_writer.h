// Writing an .8vo file: to a partial file beside it, synced, renamed. A file either is whole or is
// not there.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "io/model_file.h"

namespace octavo {

/// Bytes that a model file at `path` may take on its disk, those that an unfinished one beside it
/// already takes included. Throws Error(kIo) when there is no such folder.
int64_t free_bytes_for(const std::string& path);

struct WriteOptions {
  /// Note finished tensors in PATH.part.journal, and leave both after a failed write.
  bool resumable = false;
  /// Go on with what an earlier run left, if anything.
  bool resume = false;
  /// Whatever decides the bytes beside the directory; another run must say the same to go on.
  std::string source;
  std::string calibration;  ///< the same of what weighs the scale search
  int threads = 0;          ///< that check what is there
  /// Called while that is checked, with the number of tensors; false: stop.
  std::function<bool(size_t)> checked;
};

class ModelWriter {
 public:
  /// Lays the file out (fills offset and bytes of every tensor of `directory`) and opens the
  /// partial file PATH.part. Throws Error(kIo), at once when the disk cannot hold the file or
  /// another process writes it; Error(kInvalidArgument) when what is there belongs to another plan
  /// or source; Error(kCancelled) when the check was stopped.
  ModelWriter(const std::string& path, ModelDirectory directory, const WriteOptions& options = {});
  /// Removes the partial file unless finish() succeeded or it was kept.
  ~ModelWriter();
  ModelWriter(const ModelWriter&) = delete;
  ModelWriter& operator=(const ModelWriter&) = delete;

  const ModelDirectory& directory() const;
  int64_t file_size() const;
  const std::string& partial_path() const;
  /// The first tensor that is not whole yet; those before it are there from an earlier run.
  size_t next_tensor() const;

  /// Writes bytes of tensor `index`, which must come in order within the tensor; tensors in file
  /// order. Throws Error(kIo).
  void append(size_t index, std::span<const std::byte> bytes);

  /// Leaves the partial file and its journal for another run when at least one tensor is whole;
  /// returns whether it does. Throws Error(kIo).
  bool keep();

  /// Writes header and directory, syncs, renames to the final name, syncs the folder. Throws
  /// Error(kIo).
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octavo
