// A model file of a few tensors, made for one test, and its bytes with any change to the directory.
#pragma once

#include <xxhash.h>

#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "io/model_layout.h"
#include "octavo/error.hpp"
#include "octavo/synthesize.hpp"
#include "support/files.h"
#include "support/temp_dir.h"

namespace octavo::test {

inline ModelConfig small_config() {
  return {.architecture = "mixtral",
          .dim = 32,
          .layers = 1,
          .heads = 2,
          .kv_heads = 1,
          .head_dim = 16,
          .ffn_dim = 48,
          .experts = 2,
          .experts_per_token = 1,
          .vocab = 40,
          .context = 64,
          .rope_theta = 1e4,
          .norm_eps = 1e-5};
}

class SmallModel {
 public:
  explicit SmallModel(Format format = Format::kQ4_0) {
    SynthOptions options;
    options.config = small_config();
    options.output = path();
    options.type = format_name(format);
    options.seed = 1;
    options.threads = 1;
    synthesize(options);
    bytes_ = read_file(path());
  }

  std::string path() const { return folder_.file("model.8vo"); }
  const std::string& bytes() const { return bytes_; }

  ModelHeader header() const {
    ModelHeader header;
    std::memcpy(&header, bytes_.data(), sizeof header);
    return header;
  }

  /// The file with `change` made to its directory, and checksums that fit the lie. The data keeps
  /// its place as long as the directory fits into its pages.
  std::string with_directory(const std::function<void(nlohmann::json&)>& change) const {
    const ModelHeader old = header();
    nlohmann::json directory =
        nlohmann::json::parse(bytes_.substr(sizeof old, old.directory_bytes));
    change(directory);
    return with_directory_text(directory.dump());
  }

  std::string with_directory_text(const std::string& text) const {
    const ModelHeader old = header();
    const auto data = static_cast<size_t>(
        page_up(static_cast<int64_t>(sizeof(ModelHeader) + old.directory_bytes)));
    std::string changed = bytes_.substr(0, sizeof(ModelHeader)) + text;
    changed.resize(
        std::max(data, static_cast<size_t>(page_up(static_cast<int64_t>(changed.size())))), '\0');
    changed += bytes_.substr(data);
    const ModelHeader fitting = make_header(text, static_cast<int64_t>(changed.size()));
    std::memcpy(changed.data(), &fitting, sizeof fitting);
    return changed;
  }

 private:
  TempDir folder_;
  std::string bytes_;
};

inline ModelDirectory parse(std::string_view bytes) {
  return parse_model_directory(std::as_bytes(std::span(bytes)), static_cast<int64_t>(bytes.size()),
                               "model.8vo");
}

/// The message of the Error that `action` throws; empty when it throws none.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace octavo::test
