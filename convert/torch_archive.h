// PyTorch's archives of tensors (torch.save): a zip with a pickle and the storages it refers to.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// One tensor of an archive, dense and row-major.
struct ArchivedTensor {
  std::string type;  ///< "F32", "F16" or "BF16"
  std::vector<int64_t> shape;
  int64_t offset = 0;  ///< of its bytes, from the start of the file
  int64_t bytes = 0;
};
using ArchivedTensors = std::map<std::string, ArchivedTensor, std::less<>>;

/// The tensors of a whole archive, each inside its storage. `name` stands in messages. Throws Error
/// for anything but a state dict, and names whatever else its pickle asks for. The fuzzed entry.
ArchivedTensors parse_torch_archive(std::span<const std::byte> file, const std::string& name);

}  // namespace octavo
