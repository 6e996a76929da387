// Checkpoints taken apart and put together again, for the converter's tests.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "io/model_file.h"
#include "octavo/convert.hpp"
#include "octavo/error.hpp"
#include "quant/format.h"
#include "support/files.h"
#include "support/safetensors.h"
#include "support/temp_dir.h"

namespace octavo::test {

namespace fs = std::filesystem;

/// Converts a folder; returns the file's bytes.
inline std::string convert_folder(const fs::path& source, Format format, int threads = 1) {
  const TempDir folder;
  ConvertOptions options;
  options.source = source.string();
  options.output = folder.file("out.8vo");
  options.type = format_name(format);
  options.threads = threads;
  convert(options);
  return read_file(options.output);
}

inline ModelDirectory directory_of(const std::string& bytes) {
  return parse_model_directory(std::as_bytes(std::span(bytes)), static_cast<int64_t>(bytes.size()),
                               "model");
}

/// The bytes of one tensor.
inline std::string_view tensor_bytes_of(const std::string& bytes, const TensorEntry& entry) {
  return std::string_view(bytes).substr(static_cast<size_t>(entry.offset),
                                        static_cast<size_t>(entry.bytes));
}

/// The message of the Error that converting this folder gives; empty when it converts. Whatever
/// happens, nothing may be left of a failed output.
inline std::string convert_error(const fs::path& source, Format format = Format::kQ4_0) {
  const TempDir folder;
  ConvertOptions options;
  options.source = source.string();
  options.output = folder.file("out.8vo");
  options.type = format_name(format);
  options.threads = 2;
  std::string message;
  try {
    convert(options);
    return "";
  } catch (const Error& error) {
    message = error.what();
  }
  if (!fs::is_empty(folder.path())) return "a file was left behind";
  if (message.find('\n') != std::string::npos) return "more than one line";
  return message;
}

/// A copy of a checkpoint folder of the test data, to be spoiled.
class CheckpointCopy {
 public:
  explicit CheckpointCopy(const fs::path& source) {
    fs::copy(source, path(), fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(path())) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
  }
  fs::path path() const { return folder_.path() / "copy"; }
  fs::path file(std::string_view name) const { return path() / name; }

  void edit_json(std::string_view name, const std::function<void(nlohmann::json&)>& change) const {
    nlohmann::json json = read_json(file(name));
    change(json);
    write_file(file(name), json.dump());
  }
  void edit_tensors(std::string_view name,
                    const std::function<void(std::vector<SafeTensor>&)>& change) const {
    std::vector<SafeTensor> tensors = read_safetensors(file(name));
    change(tensors);
    write_safetensors(file(name), tensors);
  }

 private:
  TempDir folder_;
};

inline SafeTensor& tensor_named(std::vector<SafeTensor>& tensors, std::string_view name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const SafeTensor& tensor) { return tensor.name == name; });
  if (found == tensors.end()) throw std::runtime_error("no tensor " + std::string(name));
  return *found;
}

}  // namespace octavo::test
