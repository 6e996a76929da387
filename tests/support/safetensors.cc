#include "support/safetensors.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "support/files.h"

namespace octavo::test {

void write_safetensors(const std::filesystem::path& path, const std::vector<SafeTensor>& tensors) {
  nlohmann::json header;
  header["__metadata__"] = {{"format", "pt"}};
  uint64_t offset = 0;
  for (const SafeTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += text;
  for (const SafeTensor& tensor : tensors) bytes += tensor.bytes;
  write_file(path, bytes);
}

std::vector<SafeTensor> read_safetensors(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const nlohmann::json header = nlohmann::json::parse(bytes.substr(sizeof length, length));
  std::vector<SafeTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto begin = entry["data_offsets"][0].get<uint64_t>();
    const auto end = entry["data_offsets"][1].get<uint64_t>();
    tensors.push_back({name, entry["dtype"], entry["shape"],
                       bytes.substr(sizeof length + length + begin, end - begin)});
  }
  return tensors;
}

}  // namespace octavo::test
