// A model file's directory as the public headers describe it.
#pragma once

#include "io/model_file.h"
#include "octavo/inspect.hpp"

namespace octavo {

/// `file_bytes`: the size of the whole file.
ModelContents contents_of(const ModelDirectory& directory, int64_t file_bytes);

/// Adds one tensor to the row of its type, which is put where it belongs by name.
void add_to(std::vector<TypeTotals>& types, std::string_view type, int64_t weights, int64_t bytes);

}  // namespace octavo
