#include "octavo/inspect.hpp"

#include <nlohmann/json.hpp>

#include "io/contents.h"
#include "io/model_file.h"
#include "model/config.h"

namespace octavo {

std::string config_json(const ModelConfig& config) { return to_json(config).dump(); }

ModelContents inspect(const std::string& path) {
  const ModelFile file(path);
  return contents_of(file.directory(), file.size());
}

std::vector<std::string> verify(const std::string& path, const VerifyOptions& options) {
  return ModelFile(path).verify(options.threads, options.progress);
}

}  // namespace octavo
