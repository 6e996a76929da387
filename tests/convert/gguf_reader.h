// A small reader of GGUF, written from its specification, for tests of what writes it.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "quant/rows.h"

namespace octavo::test {

struct ReadGgufTensor {
  std::vector<int64_t> shape;  ///< innermost first, as the file has it
  uint32_t type = 0;
  std::string_view data;  ///< to the end of the file; whoever knows the type cuts it
};

/// Metadata and tensors by name. Throws std::runtime_error at what the specification forbids.
class ReadGguf {
 public:
  explicit ReadGguf(std::string bytes) : bytes_(std::move(bytes)) {
    if (take(4) != "GGUF" || number<uint32_t>() != 3) throw std::runtime_error("no GGUF 3");
    const auto count = number<uint64_t>(), entries = number<uint64_t>();
    for (uint64_t i = 0; i < entries; ++i) {
      const std::string key = text();
      if (!metadata.emplace(key, value(number<uint32_t>())).second) {
        throw std::runtime_error("twice: " + key);
      }
    }
    std::vector<std::pair<std::string, uint64_t>> offsets;
    for (uint64_t i = 0; i < count; ++i) offsets.emplace_back(read_tensor());
    const size_t start = (at_ + 31) / 32 * 32;
    for (const auto& [name, offset] : offsets) {
      if (offset % 32 != 0) throw std::runtime_error("not aligned: " + name);
      tensors.at(name).data = std::string_view(bytes_).substr(start + offset);
    }
  }
  ReadGguf(const ReadGguf&) = delete;
  ReadGguf& operator=(const ReadGguf&) = delete;

  std::map<std::string, nlohmann::json> metadata;
  std::map<std::string, ReadGgufTensor> tensors;

 private:
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) throw std::runtime_error("cut short");
    const std::string_view part = std::string_view(bytes_).substr(at_, count);
    at_ += count;
    return part;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number<uint64_t>())); }

  nlohmann::json value(uint32_t type) {
    switch (type) {
      case 4:
        return number<uint32_t>();
      case 5:
        return number<int32_t>();
      case 6:
        return number<float>();
      case 7:
        return number<uint8_t>() != 0;
      case 8:
        return text();
      case 9: {
        const auto element = number<uint32_t>();
        nlohmann::json list = nlohmann::json::array();
        for (auto left = number<uint64_t>(); left > 0; --left) list.push_back(value(element));
        return list;
      }
      default:
        throw std::runtime_error("a kind of value that is not written");
    }
  }

  std::pair<std::string, uint64_t> read_tensor() {
    const std::string name = text();
    ReadGgufTensor tensor;
    for (auto left = number<uint32_t>(); left > 0; --left) {
      tensor.shape.push_back(static_cast<int64_t>(number<uint64_t>()));
    }
    tensor.type = number<uint32_t>();
    if (!tensors.emplace(name, tensor).second) throw std::runtime_error("twice: " + name);
    return {name, number<uint64_t>()};
  }

  std::string bytes_;
  size_t at_ = 0;
};

/// The values of row `row` of a tensor in the format that its type stands for. [shape[0]]
inline std::vector<float> gguf_row(const ReadGgufTensor& tensor, Format format, int64_t row) {
  std::vector<float> values(static_cast<size_t>(tensor.shape.front()));
  const int64_t bytes = row_bytes(format, tensor.shape.front());
  const std::string_view data =
      tensor.data.substr(static_cast<size_t>(row * bytes), static_cast<size_t>(bytes));
  if (static_cast<int64_t>(data.size()) != bytes) throw std::runtime_error("cut short");
  dequantize_row(format, reinterpret_cast<const std::byte*>(data.data()), values);
  return values;
}

}  // namespace octavo::test
