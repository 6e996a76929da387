// Models of random weights, for measurements: of any shape, without a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "octavo/convert.hpp"

namespace octavo {

struct SynthOptions {
  ModelConfig config;  ///< all of it
  std::string output;  ///< path of the .8vo
  std::string type;    ///< of all matrices but the routers; empty, and without a recipe: q4_0
  std::string recipe;  ///< a ready recipe or a JSON file, in place of `type`
  std::vector<TypeRule> type_for;  ///< after `type` or `recipe`; the last that matches counts
  uint64_t seed = 0;               ///< the same one gives the same bytes
  int threads = 0;                 ///< 0: as many as the processors
  Progress progress;               ///< in bytes of the output
};

/// Writes the model, made straight as it is stored (fast at tens of GB). Throws Error(kIo),
/// Error(kFormat) for a config that no model can have, Error(kUnsupported) for a type that there is
/// not, Error(kInvalidArgument) for rules that do not fit the config, and Error(kCancelled); then
/// nothing is left under the output's name.
OCTAVO_API ConvertSummary synthesize(const SynthOptions& options);

/// Mixtral 8x7B's own shape.
OCTAVO_API ModelConfig mixtral_8x7b_config();

/// The config.json of a Mixtral or Mistral checkpoint, with the window that convert would give the
/// model; `warn` gets a line where that is not the file's. Throws Error(kIo), Error(kFormat) and
/// Error(kUnsupported).
OCTAVO_API ModelConfig read_checkpoint_config(
    const std::string& path, const std::function<void(const std::string&)>& warn = {});

}  // namespace octavo
