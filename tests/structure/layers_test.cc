// The layers of docs/architecture.md hold in every file of the project.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "structure/layer_rules.h"
#include "support/files.h"

namespace octavo::test {
namespace {

namespace fs = std::filesystem;

TEST(LayerRules, IncludesAreFoundAsPeopleWriteThem) {
  const auto found = includes_of(
      "// #include \"no.h\"\n#include <vector>\n  #  include \"io/a.h\"  // why\nint include;\n"
      "#include HWY_TARGET_INCLUDE\n#include \"last.h\"");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].name, "vector");
  EXPECT_EQ(found[1].name, "io/a.h");
  EXPECT_EQ(found[1].line, 3);
  EXPECT_EQ(found[2].name, "last.h");
}

TEST(LayerRules, ViolationsAreNamed) {
  const std::pair<const char*, const char*> violations[] = {
      {"quant/format.cc", "simd/kernels.h"},
      {"quant/format.cc", "core/error.h"},
      {"simd/kernels.cc", "core/parallel.h"},
      {"simd/kernels.cc", "omp.h"},
      {"lib/core/error.h", "io/model_file.h"},
      {"lib/core/tensor.h", "hwy/highway.h"},
      {"lib/io/model_file.cc", "backend/backend.h"},
      {"lib/io/model_file.cc", "model/weights.h"},
      {"lib/text/tokenizer.cc", "sentencepiece_processor.h"},
      {"lib/text/tokenizer.cc", "model/transformer.h"},
      {"lib/model/transformer.cc", "simd/kernels.h"},
      {"lib/model/transformer.cc", "backend/cpu/cpu_backend.h"},
      {"lib/model/transformer.cc", "backend/cuda/cuda_backend.h"},
      {"lib/model/transformer.cc", "backend/profiled_backend.h"},
      {"lib/model/transformer.cc", "immintrin.h"},
      {"lib/backend/backend.h", "simd/kernels.h"},
      {"lib/backend/cpu/cpu_backend.cc", "model/config.h"},
      {"lib/backend/cpu/cpu_backend.cc", "dnnl.hpp"},
      {"lib/backend/cpu/cpu_backend.cc", "oneapi/dnnl/dnnl.hpp"},
      {"bench/matmul_bench.cc", "dnnl.hpp"},
      {"lib/backend/cpu/cpu_backend.cc", "omp.h"},
      {"lib/include/octavo/octavo.hpp", "core/tensor.h"},
      {"lib/include/octavo/octavo.hpp", "fmt/format.h"},
      {"lib/include/octavo/octavo.h", "omp.h"},
      {"lib/include/octavo/octavo.hpp", "nlohmann/json_fwd.hpp"},
      {"lib/model/transformer.cc", "../backend/cpu/cpu_backend.h"},
      {"lib/capi/model.cc", "api/model_impl.h"},
      {"lib/capi/model.cc", "core/error.h"},
      {"lib/api/model.cc", "capi/handles.h"},
      {"lib/api/model.cc", "simd/kernels.h"},
      {"lib/api/model.cc", "cuda_runtime.h"},
      {"lib/api/model.cc", "CLI/CLI.hpp"},
      {"cli/chat_loop.cc", "histedit.h"},
      {"convert/convert.cc", "backend/backend.h"},
      {"convert/convert.cc", "text/tokenizer.h"},
      {"convert/convert.cc", "octavo/octavo.hpp"},
      {"lib/api/model.cc", "convert/source.h"},
      {"cli/main.cc", "convert/recipe.h"},
      {"cli/cmd_bench.cc", "backend/cpu/machine.h"},
      {"cli/cmd_inspect.cc", "io/model_file.h"},
      {"cli/cmd_tokenize.cc", "api/model_impl.h"},
      {"cli/files.cc", "core/error.h"},
      {"cli/type_option.h", "quant/format.h"},
      {"examples/generate.cc", "model/transformer.h"},
      {"examples/generate.cc", "core/error.h"},
      {"bindings/node/addon/model.cc", "octavo/octavo.hpp"},
      {"bindings/node/addon/model.cc", "capi/handles.h"},
      {"lib/capi/model.cc", "node_api.h"},
      {"lib/capi/model.cc", "addon/values.h"},
  };
  for (const auto& [path, name] : violations) {
    EXPECT_TRUE(broken_rule(path, name)) << path << " includes " << name;
  }
}

TEST(LayerRules, AllowedIncludesPass) {
  const std::pair<const char*, const char*> allowed[] = {
      {"quant/format.cc", "quant/format.h"},
      {"quant/quantize.cc", "Eigen/Core"},
      {"simd/kernels.cc", "hwy/highway.h"},
      {"lib/core/parallel.cc", "omp.h"},
      {"lib/core/error.h", "fmt/format.h"},
      {"lib/io/model_file.h", "model/config.h"},
      {"lib/text/sentencepiece_tokenizer.cc", "sentencepiece_processor.h"},
      {"lib/backend/cpu/onednn_matmul.cc", "dnnl.hpp"},
      {"bench/onednn_bench.cc", "oneapi/dnnl/dnnl.hpp"},
      {"lib/backend/factory.cc", "backend/cpu/cpu_device.h"},
      {"lib/model/transformer.cc", "backend/backend.h"},
      {"lib/api/session.cc", "backend/profiled_backend.h"},
      {"lib/include/octavo/octavo.hpp", "octavo/error.hpp"},
      {"lib/include/octavo/octavo.hpp", "vector"},
      {"lib/include/octavo/octavo.h", "stdint.h"},
      {"lib/capi/model.cc", "octavo/octavo.hpp"},
      {"cli/main.cc", "CLI/CLI.hpp"},
      {"cli/main.cc", "commands.h"},
      {"cli/cmd_convert.cc", "octavo/convert.hpp"},
      {"convert/convert.cc", "octavo/convert.hpp"},
      {"examples/generate.cc", "octavo/octavo.hpp"},
      {"bindings/node/addon/model.cc", "node_api.h"},
      {"bindings/node/addon/model.cc", "octavo/octavo.h"},
  };
  for (const auto& [path, name] : allowed) {
    EXPECT_FALSE(broken_rule(path, name)) << path << " includes " << name;
  }
}

TEST(Layers, HoldInEveryFile) {
  const fs::path root = OCTAVO_SOURCE_DIR;
  int files = 0, includes = 0;
  for (const char* folder :
       {"quant", "simd", "lib", "convert", "cli", "examples", "bench", "bindings", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (!std::set<std::string>{".h", ".hpp", ".c", ".cc", ".cu"}.contains(extension)) continue;
      ++files;
      const std::string path = fs::relative(entry.path(), root).generic_string();
      for (const Include& include : includes_of(read_file(entry.path()))) {
        ++includes;
        const auto reason = broken_rule(path, include.name);
        EXPECT_FALSE(reason) << path << ':' << include.line << ": " << include.name << ' '
                             << reason.value_or("");
      }
    }
  }
  EXPECT_GT(files, 50);
  EXPECT_GT(includes, 200);
}

}  // namespace
}  // namespace octavo::test
