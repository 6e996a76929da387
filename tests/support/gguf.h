// GGUF files for tests, put together the simple way, wrong ones too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/config.h"
#include "support/safetensors.h"

namespace octavo::test {

struct GgufTestTensor {
  std::string name;
  std::string type;            ///< "F32", "Q4_K", ...
  std::vector<int64_t> shape;  ///< row-major
  std::string bytes;
};

/// Each setter replaces an entry of the same name.
class GgufBuilder {
 public:
  uint32_t version = 3;
  std::vector<GgufTestTensor> tensors;

  void u32(const std::string& key, uint32_t value) { put(key, 4, encoded(value)); }
  void f32(const std::string& key, float value) { put(key, 6, encoded(value)); }
  void boolean(const std::string& key, bool value) { put(key, 7, encoded(uint8_t{value})); }
  void text(const std::string& key, std::string_view value) { put(key, 8, encoded_text(value)); }
  void texts(const std::string& key, const std::vector<std::string>& values);
  void numbers(const std::string& key, const std::vector<float>& values);
  void integers(const std::string& key, const std::vector<int32_t>& values);
  /// Any type number with any bytes.
  void put(const std::string& key, uint32_t type, std::string bytes);
  void erase(std::string_view key);
  GgufTestTensor& tensor(std::string_view name);

  /// The file, tensors at multiples of 32.
  std::string bytes() const;

  template <class T>
  static std::string encoded(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  static std::string encoded_text(std::string_view text) {
    return encoded(uint64_t{text.size()}).append(text);
  }

 private:
  std::vector<std::pair<std::string, std::string>> metadata_;  // with its type before the value
};

/// The number that a GGUF file has for a type.
uint32_t gguf_type_number(std::string_view name);

/// How a file keeps the experts.
enum class GgufExperts { kMerged, kEarly };

/// The model of a checkpoint in HF's layout (f32) as such a file, attention's rows in the order of
/// llama.cpp. No tokenizer.
GgufBuilder gguf_of_checkpoint(const std::filesystem::path& folder, GgufExperts experts);

/// Metadata of a model's config.
void set_gguf_config(GgufBuilder& builder, const ModelConfig& config);

/// Moves the tokenizer of a SentencePiece model into metadata.
void set_gguf_tokenizer(GgufBuilder& builder, std::string_view sentencepiece_model);

}  // namespace octavo::test
