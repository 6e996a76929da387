#include "structure/layer_rules.h"

#include <algorithm>
#include <array>

namespace octavo::test {
namespace {

using Prefixes = std::vector<std::string_view>;

bool starts_with_any(std::string_view text, const Prefixes& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return text.starts_with(prefix); });
}

/// A layer: the files under `path` may include, of the project, only what begins with `allowed`.
struct Layer {
  std::string_view path;
  Prefixes allowed;
};

/// A dependency: only files whose path begins with one of `rooms` may include it.
struct Dependency {
  Prefixes headers;
  Prefixes rooms;
};

/// The first layer whose path fits counts.
const std::array kLayers = {
    Layer{"quant/", {"quant/"}},
    Layer{"simd/", {"simd/", "quant/"}},
    Layer{"lib/include/", {"octavo/"}},
    Layer{"lib/core/", {"core/", "quant/", "octavo/error.hpp"}},
    Layer{"lib/io/",
          {"io/", "core/", "quant/", "model/config.h", "octavo/error.hpp", "octavo/inspect.hpp",
           "octavo/progress.hpp"}},
    Layer{"lib/text/", {"text/", "core/", "io/", "octavo/"}},
    Layer{"lib/backend/cpu/",
          {"backend/", "core/", "quant/", "simd/", "octavo/error.hpp", "octavo/machine.hpp"}},
    Layer{"lib/backend/cuda/",
          {"backend/", "core/", "quant/", "octavo/error.hpp", "octavo/machine.hpp"}},
    Layer{"lib/backend/",
          {"backend/", "core/", "quant/", "octavo/error.hpp", "octavo/machine.hpp"}},
    Layer{"lib/model/", {"model/", "io/", "core/", "quant/", "backend/backend.h", "octavo/"}},
    Layer{"lib/api/",
          {"api/", "model/", "text/", "io/", "core/", "quant/", "backend/backend.h",
           "backend/profiled_backend.h", "backend/calibrating_backend.h", "octavo/"}},
    Layer{"lib/capi/", {"capi/", "octavo/"}},
    Layer{"convert/",
          {"convert/", "quant/", "core/", "io/", "text/vocabulary.h", "model/config.h",
           "octavo/error.hpp", "octavo/convert.hpp", "octavo/synthesize.hpp"}},
    Layer{"cli/", {"octavo/"}},
    Layer{"examples/", {"octavo/"}},
    Layer{"bindings/node/", {"addon/", "octavo/octavo.h"}},
};

const std::array kDependencies = {
    Dependency{{"omp.h"}, {"lib/core/parallel.cc"}},
    Dependency{{"hwy/"}, {"simd/"}},
    Dependency{{"immintrin.h", "arm_neon.h", "x86intrin.h"}, {"simd/"}},
    Dependency{{"dnnl", "oneapi/"}, {"lib/backend/cpu/onednn_", "bench/onednn_"}},
    Dependency{{"sentencepiece"}, {"lib/text/sentencepiece"}},
    Dependency{{"cuda_emulation/", "cuda/"}, {"tests/"}},
    Dependency{{"cuda_runtime", "cuda_fp", "cuda_bf", "cuda_instructions", "cuda.h", "cublas"},
               {"lib/backend/cuda/", "tests/cuda_emulation/"}},
    Dependency{{"CLI/"}, {"cli/"}},
    Dependency{{"histedit", "editline/"}, {"cli/libedit_"}},
    Dependency{{"Eigen/"}, {"quant/", "tests/"}},
    Dependency{{"gtest/", "gmock/"}, {"tests/"}},
    // Bindings stand on the C API, whose layouts last.
    Dependency{{"octavo/octavo.hpp", "octavo/error.hpp"},
               {"lib/", "convert/", "cli/", "examples/", "bench/", "tests/"}},
    Dependency{{"node_api", "js_native_api", "node.h", "v8", "uv.h"}, {"bindings/node/"}},
    Dependency{{"benchmark/"}, {"bench/"}},
};

const Prefixes kProjectFolders = {"quant/",   "simd/",  "core/",     "io/",     "text/",
                                  "backend/", "model/", "convert/",  "octavo/", "api/",
                                  "capi/",    "addon/", "structure/"};

/// C++'s standard headers have neither dot nor slash; those of libraries have. Two of C's are let
/// in for the public C header.
bool is_standard(std::string_view name) {
  return name.find_first_of("./") == name.npos || name == "stddef.h" || name == "stdint.h";
}

}  // namespace

std::vector<Include> includes_of(std::string_view text) {
  std::vector<Include> result;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto skip_blanks = [&] {
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    };
    skip_blanks();
    if (!rest.starts_with('#')) continue;
    rest.remove_prefix(1);
    skip_blanks();
    if (!rest.starts_with("include")) continue;
    const size_t open = rest.find_first_of("\"<");
    if (open == rest.npos) continue;
    const size_t close = rest.find_first_of("\">", open + 1);
    if (close == rest.npos) continue;
    result.push_back({std::string(rest.substr(open + 1, close - open - 1)), line});
  }
  return result;
}

std::optional<std::string> broken_rule(std::string_view path, std::string_view name) {
  for (const Dependency& dependency : kDependencies) {
    if (starts_with_any(name, dependency.headers) && !starts_with_any(path, dependency.rooms)) {
      return "belongs to " + std::string(dependency.rooms.front()) + " alone";
    }
  }
  if (name.find("..") != name.npos) return "is not written from an include root";
  const bool is_project = starts_with_any(name, kProjectFolders);
  if (path.starts_with("lib/include/") && !is_project && !is_standard(name)) {
    return "public headers show the standard library and octavo/ alone";
  }
  // The backends' factory is the one place that names them.
  if (path.starts_with("lib/backend/factory.") && name.starts_with("backend/")) return {};
  const auto* layer = std::find_if(kLayers.begin(), kLayers.end(), [&](const Layer& candidate) {
    return path.starts_with(candidate.path);
  });
  if (layer == kLayers.end() || !is_project || starts_with_any(name, layer->allowed)) return {};
  return "is not below " + std::string(layer->path);
}

}  // namespace octavo::test
