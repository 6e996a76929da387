// What a Model is made of; for the library itself.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "io/model_file.h"
#include "model/config.h"
#include "model/weights.h"
#include "octavo/octavo.hpp"
#include "text/grammar/token_trie.h"
#include "text/tokenizer.h"

namespace octavo {

/// Immutable once made. Members in the order in which they depend on each other.
struct Model::Impl {
  Impl(const std::string& path, const ModelOptions& options);

  ModelFile file;
  ModelConfig config;  ///< the file's, with the window of the options
  std::shared_ptr<Device> device;
  std::shared_ptr<const ModelWeights> weights;  ///< on the CPU these point into `file`
  std::unique_ptr<const Tokenizer> tokenizer;   ///< null: none
  std::unique_ptr<const TokenTries> tries;      ///< of the tokenizer's texts; null: none
  ModelInfo info;

  /// Throws Error(kUnsupported) saying why there is none.
  const Tokenizer& require_tokenizer() const;
};

}  // namespace octavo
