// Model files for tests: converted into a temporary folder that lives as long as they do.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "io/model_file.h"
#include "model/config.h"
#include "model/transformer.h"
#include "quant/format.h"
#include "support/matrix.h"
#include "support/reference_model.h"
#include "support/temp_dir.h"

namespace octavo::test {

/// An .8vo in a folder of its own.
class Converted {
 public:
  /// Converts a checkpoint folder; `window` in place of the source's.
  Converted(const std::filesystem::path& source, Format format,
            std::optional<int64_t> window = std::nullopt);
  /// Makes a random checkpoint of this shape and converts it, a mixture with its window too.
  Converted(const ModelConfig& config, uint64_t seed, Format format, Format stored = Format::kF32);

  const std::string& path() const { return path_; }

 private:
  std::unique_ptr<TempDir> folder_ = std::make_unique<TempDir>();
  std::string path_ = folder_->file("model.8vo");
};

/// A model file with a transformer on a device.
class Runner {
 public:
  explicit Runner(const std::string& path, const TransformerOptions& options = {},
                  std::shared_ptr<Device> device = make_device("cpu"));
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  const ModelConfig& config() const { return file_.config(); }
  const ModelFile& file() const { return file_; }
  Transformer& transformer() { return transformer_; }

  /// Logits of all of `ids` [ids, vocab], fed from where the transformer stands, `chunk` at a time
  /// (0: at once).
  Matrix logits(std::span<const int32_t> ids, int64_t chunk = 0);
  /// The same fed in pieces of these lengths, what is left then token by token.
  Matrix logits_in(std::span<const int32_t> ids, std::span<const int64_t> pieces);
  /// `count` tokens by greedy choice (ties to the lower id) after `ids`.
  std::vector<int32_t> greedy(std::span<const int32_t> ids, int64_t count);
  /// Experts chosen in the calls since the last call of this function, and the logits they were
  /// chosen by.
  struct Routed {
    Choices experts;
    std::vector<std::vector<std::vector<float>>> weights, logits;
  };
  Routed take_routing();

 private:
  ModelFile file_;
  std::shared_ptr<Device> device_;
  Transformer transformer_;
  Routed routed_;
};

}  // namespace octavo::test
