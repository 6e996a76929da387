// The fuzzers' seeds and former findings, in every build.
#include <gtest/gtest.h>

#include <filesystem>

#include "fuzz/grammar_targets.h"
#include "fuzz/targets.h"
#include "fuzz/template_target.h"
#include "support/files.h"

namespace octavo::test {
namespace {

template <class Target>
int replay(const char* name, const Target& target) {
  int files = 0;
  const auto folder = std::filesystem::path(OCTAVO_SOURCE_DIR) / "tests/fuzz/corpus" / name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string bytes = read_file(entry.path());
    SCOPED_TRACE(entry.path().string());
    EXPECT_NO_THROW(target({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}));
    ++files;
  }
  return files;
}

TEST(FuzzCorpus, Gbnf) { EXPECT_GE(replay("gbnf", fuzz_gbnf), 5); }

TEST(FuzzCorpus, JsonSchema) { EXPECT_GE(replay("json_schema", fuzz_json_schema), 3); }

TEST(FuzzCorpus, GgufHeader) { EXPECT_GE(replay("gguf_header", fuzz_gguf_header), 4); }

TEST(FuzzCorpus, ModelDirectory) { EXPECT_GE(replay("model_directory", fuzz_model_directory), 2); }

TEST(FuzzCorpus, SafetensorsHeader) {
  EXPECT_GE(replay("safetensors_header", fuzz_safetensors_header), 2);
}

TEST(FuzzCorpus, SessionFile) { EXPECT_GE(replay("session_file", fuzz_session_file), 4); }

TEST(FuzzCorpus, Template) { EXPECT_GE(replay("template", fuzz_template), 15); }

TEST(FuzzCorpus, TorchArchive) { EXPECT_GE(replay("torch_archive", fuzz_torch_archive), 6); }

}  // namespace
}  // namespace octavo::test
