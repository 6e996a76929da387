// What of an unfinished model file can be trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "io/model_writer.h"

namespace octavo {

/// Tensors from the first on that are in the file at `path` with these checksums, with zeros after
/// each up to the next. Uses threads and checked of `options`; throws Error(kCancelled) when that
/// stops it.
size_t count_whole_tensors(const std::string& path, const ModelDirectory& directory,
                           std::span<const uint64_t> checksums, const WriteOptions& options);

}  // namespace octavo
