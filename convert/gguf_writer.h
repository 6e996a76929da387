// The head of a GGUF file, version 3: metadata and tensor descriptions. What follows it, the
// tensors' bytes, is the caller's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/format.h"

namespace octavo {

/// Every tensor's offset is a multiple of this.
inline constexpr int64_t kGgufAlignment = 32;

/// A format as GGUF numbers it.
struct GgufBlockType {
  Format format;
  uint32_t tensor_type;  ///< ggml_type: of a tensor
  uint32_t file_type;    ///< general.file_type of a file that holds mostly this
};
const GgufBlockType& gguf_type(Format format);

/// One tensor of the file, row-major.
struct GgufEntry {
  std::string name;  ///< "blk.3.ffn_up_exps.weight"
  Format format = Format::kF32;
  std::vector<int64_t> shape;  ///< outermost first, as [experts, rows, cols]; cols in whole blocks
  int64_t offset = 0;          ///< from the start of the file; filled by GgufHead::add_tensor
  int64_t bytes = 0;           ///< filled as well
};

class GgufHead {
 public:
  void add(std::string_view key, uint32_t value);
  void add(std::string_view key, float value);
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, std::span<const std::string> values);
  void add(std::string_view key, std::span<const float> values);
  void add(std::string_view key, std::span<const int32_t> values);

  /// Tensors lie in the file in the order in which they are added.
  void add_tensor(GgufEntry tensor);

  /// After the last addition: the bytes of the file up to the first tensor's, which also fixes the
  /// offsets of tensors().
  std::string finish();

  const std::vector<GgufEntry>& tensors() const { return tensors_; }
  /// After finish(): the size of the whole file.
  int64_t file_bytes() const { return file_bytes_; }

 private:
  void add_key(std::string_view key, uint32_t value_type);
  void add_array(std::string_view key, uint32_t element_type, size_t count);

  std::string entries_;  // the metadata as bytes
  uint64_t count_ = 0;   // of them
  std::vector<GgufEntry> tensors_;
  int64_t file_bytes_ = 0;
};

}  // namespace octavo
