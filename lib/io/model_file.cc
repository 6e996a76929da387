#include "io/model_file.h"

#include <xxhash.h>

#include <atomic>

#include "core/error.h"
#include "core/parallel.h"

namespace octavo {

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

std::vector<std::string> ModelFile::verify(int threads) const {
  const std::vector<TensorEntry>& tensors = directory_.tensors;
  std::vector<char> damaged(tensors.size(), 0);
  std::atomic<size_t> next = 0;
  parallel(resolve_threads(threads), [&](int, int) {
    for (size_t i = next++; i < tensors.size(); i = next++) {
      const TensorView tensor = view(tensors[i]);
      const uint64_t checksum = XXH3_64bits(tensor.data, static_cast<size_t>(tensor.bytes));
      damaged[i] = checksum != tensors[i].checksum;
    }
  });
  std::vector<std::string> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (damaged[i]) names.push_back(tensors[i].name);
  }
  return names;
}

}  // namespace octavo
