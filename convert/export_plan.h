// What an export will write, before it is written; not for use outside convert/.
#pragma once

#include <string>
#include <vector>

#include "convert/gguf_writer.h"
#include "io/model_file.h"

namespace octavo {

/// A tensor of the GGUF file and where its rows come from.
struct ExportTensor {
  GgufEntry gguf;
  std::vector<size_t> parts;  ///< tensors of the model file, one after another
  /// Not 0: rows are given as interleaved pairs (2 i, 2 i + 1) within heads of this many rows; the
  /// model file has half-split ones (i, i + head_dim / 2).
  int64_t interleaved_head_dim = 0;
};

/// The tensors in the order of the model file. Notes for people are added to `notes`.
std::vector<ExportTensor> plan_export(const ModelDirectory& directory,
                                      std::vector<std::string>& notes);

/// Everything about the model but its weights. `path` of the model stands in messages. Throws
/// Error.
void add_metadata(GgufHead& head, const ModelDirectory& directory, const std::string& path,
                  std::vector<std::string>& notes);

}  // namespace octavo
