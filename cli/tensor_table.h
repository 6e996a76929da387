// The tensors of a model as a table: those of a kind in one row, over layers and experts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octavo/inspect.hpp"

namespace octavo::cli {

/// Tensors that come from one type and are stored as one. `pattern` matches exactly them, in the
/// language of --type-for.
struct TensorGroup {
  std::string pattern;
  std::string from;  ///< empty: unknown
  std::string type;
  int64_t tensors = 0, weights = 0, bytes = 0;
};

/// In the order of their first tensors.
std::vector<TensorGroup> group_tensors(const ModelContents& contents);

/// The groups as text, with a line for all.
std::string tensor_table(const std::vector<TensorGroup>& groups);

/// "46.70 billion", "12.45 million", "901".
std::string count_text(int64_t count);
/// "26.44 GB", "0.31 MB".
std::string size_text(int64_t bytes);

}  // namespace octavo::cli
