#include "io/model_file.h"

#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "core/caught.h"
#include "core/error.h"
#include "core/parallel.h"

namespace octavo {
namespace {

// `advance` hears of every step and may end it early.
template <class Advance>
uint64_t checksum_in_steps(const TensorView& tensor, const Advance& advance) {
  constexpr int64_t kStep = int64_t{8} << 20;
  XXH3_state_t* const state = XXH3_createState();
  if (state == nullptr) return 0;
  XXH3_64bits_reset(state);
  for (int64_t at = 0; at < tensor.bytes; at += kStep) {
    const int64_t count = std::min(kStep, tensor.bytes - at);
    XXH3_64bits_update(state, tensor.data + at, static_cast<size_t>(count));
    if (!advance(count)) break;
  }
  const uint64_t checksum = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  return checksum;
}

}  // namespace

ModelFile::ModelFile(const std::string& path)
    : file_(path), directory_(parse_model_directory(file_.bytes(), file_.size(), path)) {
  for (size_t i = 0; i < directory_.tensors.size(); ++i) index_[directory_.tensors[i].name] = i;
}

TensorView ModelFile::tensor(std::string_view name, int64_t rows, int64_t cols) const {
  const auto found = index_.find(name);
  if (found == index_.end()) fail(ErrorCode::kFormat, "{}: no tensor {}", path(), name);
  const TensorEntry& entry = directory_.tensors[found->second];
  if (entry.rows != rows || entry.cols != cols) {
    fail(ErrorCode::kFormat, "{}: tensor {} is {} x {}, expected {} x {}", path(), name, entry.rows,
         entry.cols, rows, cols);
  }
  return view(entry);
}

TensorView ModelFile::view(const TensorEntry& entry) const {
  return {.format = entry.format,
          .order = entry.order,
          .rows = entry.rows,
          .cols = entry.cols,
          .data = file_.bytes().data() + entry.offset,
          .bytes = entry.bytes};
}

bool ModelFile::is_intact(const TensorEntry& entry) const {
  int64_t read = 0;
  return checksum_in_steps(view(entry), [&](int64_t bytes) {
           release(entry, read, read + bytes);
           read += bytes;
           return true;
         }) == entry.checksum;
}

std::vector<std::string> ModelFile::verify(int threads, const Progress& progress) const {
  const std::vector<TensorEntry>& tensors = directory_.tensors;
  int64_t all = 0;
  for (const TensorEntry& entry : tensors) all += entry.bytes;
  std::vector<char> damaged(tensors.size(), 0);
  std::atomic<size_t> next = 0;
  std::atomic<int64_t> read = 0;
  std::atomic<bool> stopped = false;
  int64_t reported = -1;  // by the first thread, which is the caller's
  Caught caught;
  parallel(resolve_threads(threads), [&](int thread, int) {
    const auto advance = [&](int64_t bytes) {
      const int64_t done = read += bytes;
      if (thread == 0 && progress) {
        reported = done;
        if (!caught.run([&] { return progress(done, all); })) stopped = true;
      }
      return !stopped;
    };
    for (size_t i = next++; i < tensors.size() && !stopped; i = next++) {
      damaged[i] = checksum_in_steps(view(tensors[i]), advance) != tensors[i].checksum;
    }
  });
  caught.rethrow();
  // The last step, or every one, may have been another thread's.
  if (progress && !stopped && reported < all && !progress(all, all)) stopped = true;
  if (stopped) fail(ErrorCode::kCancelled, "{}: the check was stopped", path());
  std::vector<std::string> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (damaged[i]) names.push_back(tensors[i].name);
  }
  return names;
}

}  // namespace octavo
