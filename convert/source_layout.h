// What the checkpoint layouts share; not for use outside convert/.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "convert/source.h"

namespace octavo {

/// Where each layout keeps its things.
bool is_hf_folder(const std::filesystem::path& folder);
bool is_mistral_folder(const std::filesystem::path& folder);
ModelSource open_hf(const std::filesystem::path& folder);
ModelSource open_mistral(const std::filesystem::path& folder);
/// The first file when there are several.
ModelSource open_gguf(const std::filesystem::path& path);

/// Whether there is such a file; one that cannot be looked at counts, so that opening it says why.
bool is_present(const std::filesystem::path& path);

/// The folder's own name, without where it lies.
std::string folder_name(const std::filesystem::path& folder);

/// The bytes of a small file. Throws Error(kIo), and Error(kFormat) when it is absurdly large.
std::string read_small_file(const std::filesystem::path& path);
nlohmann::json read_json_file(const std::filesystem::path& path);

/// A tensor as a file of the checkpoint stores it, dense and row-major.
struct StoredTensor {
  std::shared_ptr<const MappedFile> file;
  std::string type;  ///< as the file names it: "BF16", "Q4_K"
  std::vector<int64_t> shape;
  int64_t offset = 0;  ///< of its bytes in the file
  int64_t bytes = 0;
};
using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

/// Adds a tensor; a name in two files would make the result a matter of chance, so it throws
/// Error(kFormat).
void add_stored(StoredTensors& stored, const std::string& name, StoredTensor tensor);
/// Adds what a safetensors file holds. Throws Error.
void add_safetensors(StoredTensors& stored, const std::string& path);
/// Adds what a PyTorch archive (torch.save) holds. Throws Error.
void add_torch_archive(StoredTensors& stored, const std::string& path);

/// Where a tensor of the model file is found.
struct TensorPlace {
  std::string name;  ///< in the checkpoint
  /// Part `part` of `parts` equal ones along the first dimension, which may be [parts, rows, cols]
  /// or [parts * rows, cols]. 1: the whole tensor.
  int64_t part = 0, parts = 1;
  bool transposed = false;  ///< (each part is) stored as [cols, rows]
};
/// Place in the checkpoint of a tensor of the model file ("layers.3.wq").
using PlaceMapping = std::function<TensorPlace(const std::string&)>;
/// Names in the checkpoint.
using UsedNames = std::set<std::string, std::less<>>;
/// Finds every tensor of the config's plan, checks type and shape, and fills source.tensors.
/// Returns the names of those that are used. Throws Error(kFormat).
UsedNames resolve_tensors(ModelSource& source, const StoredTensors& stored,
                          const PlaceMapping& place);

/// Marks wq and wk as stored in interleaved pairs.
void mark_interleaved(ModelSource& source);

/// Mistral's params.json; the window as it says.
ModelConfig read_mistral_params(const std::filesystem::path& path);

}  // namespace octavo
