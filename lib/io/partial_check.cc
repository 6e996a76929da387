#include "io/partial_check.h"

#include <xxhash.h>

#include <algorithm>
#include <atomic>

#include "core/caught.h"
#include "core/error.h"
#include "core/parallel.h"
#include "io/mapped_file.h"

namespace octavo {
namespace {

bool is_whole(const MappedFile& file, const ModelDirectory& directory, size_t index,
              uint64_t checksum) {
  const TensorEntry& entry = directory.tensors[index];
  const int64_t end = entry.offset + entry.bytes;
  const bool is_last = index + 1 == directory.tensors.size();
  const int64_t next = is_last ? end : directory.tensors[index + 1].offset;
  if (next > file.size()) return false;
  const std::byte* data = file.bytes().data();
  const bool is_right =
      XXH3_64bits(data + entry.offset, static_cast<size_t>(entry.bytes)) == checksum &&
      std::all_of(data + end, data + next, [](std::byte byte) { return byte == std::byte{0}; });
  file.release(entry.offset, entry.bytes);
  return is_right;
}

}  // namespace

size_t count_whole_tensors(const std::string& path, const ModelDirectory& directory,
                           std::span<const uint64_t> checksums, const WriteOptions& options) {
  const size_t count = std::min(checksums.size(), directory.tensors.size());
  const MappedFile file(path);
  std::atomic<size_t> next = 0, checked = 0, first_bad = count;
  std::atomic<bool> stopped = false;
  Caught caught;
  parallel(resolve_threads(options.threads), [&](int thread, int) {
    for (size_t i = next++; i < first_bad && !stopped; i = next++) {
      if (!is_whole(file, directory, i, checksums[i])) {
        size_t known = first_bad;
        while (i < known && !first_bad.compare_exchange_weak(known, i)) {
        }
      }
      const size_t done = ++checked;
      if (thread == 0 && options.checked && !caught.run([&] { return options.checked(done); })) {
        stopped = true;
      }
    }
  });
  caught.rethrow();
  // The last tensor may have been another thread's.
  if (!stopped && options.checked && !options.checked(first_bad)) stopped = true;
  if (stopped) {
    fail(ErrorCode::kCancelled, "stopped; {} is as it was, --resume goes on with it", path);
  }
  return first_bad;
}

}  // namespace octavo
