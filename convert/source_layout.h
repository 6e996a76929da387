// What the two checkpoint layouts share; not for use outside convert/.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "convert/source.h"

namespace octavo {

/// Where each layout keeps its things.
bool is_hf_folder(const std::filesystem::path& folder);
bool is_mistral_folder(const std::filesystem::path& folder);
ModelSource open_hf(const std::filesystem::path& folder);
ModelSource open_mistral(const std::filesystem::path& folder);

/// Whether there is such a file; one that cannot be looked at counts, so that opening it says why.
bool is_present(const std::filesystem::path& path);

/// The folder's own name, without where it lies.
std::string folder_name(const std::filesystem::path& folder);

/// The bytes of a small file. Throws Error(kIo), and Error(kFormat) when it is absurdly large.
std::string read_small_file(const std::filesystem::path& path);
nlohmann::json read_json_file(const std::filesystem::path& path);

/// Name in the checkpoint of a tensor of the model file ("layers.3.wq").
using NameMapping = std::function<std::string(const std::string&)>;
/// Finds every tensor of the config's plan in source.files, checks type and shape, and fills
/// source.tensors. Throws Error(kFormat).
void resolve_tensors(ModelSource& source, const NameMapping& name_in_source);

/// A window in a mixture's config is ignored, as the reference does; returns the window to use.
int64_t sliding_window(int64_t configured, bool mixture, std::vector<std::string>& notes);

}  // namespace octavo
