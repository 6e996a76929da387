// The weights are used where they are mapped: private memory stays far below the file's size.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "support/converted.h"
#include "support/random.h"
#include "support/temp_dir.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OCTAVO_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OCTAVO_SANITIZED 1
#endif

namespace octavo::test {
namespace {

// Bytes of this process that no file backs.
int64_t private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssAnon:", 0) != 0) continue;
    int64_t kilobytes = -1;
    std::istringstream(line.substr(8)) >> kilobytes;
    return kilobytes * 1024;
  }
  return -1;
}

// Mixtral's proportions at about 300 MB.
ModelConfig large_config() {
  ModelConfig config = mixtral_8x7b_config();
  config.dim = 1024;
  config.layers = 4;
  config.heads = 16;
  config.kv_heads = 4;
  config.head_dim = 64;
  config.ffn_dim = 3584;
  config.vocab = 32000;
  config.context = 2048;
  return config;
}

TEST(Memory, WeightsAreNotCopied) {
#ifdef OCTAVO_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory would be counted";
#endif
  const TempDir folder;
  SynthOptions synth;
  synth.config = large_config();
  synth.output = folder.file("large.8vo");
  synth.format = Format::kQ4_0;
  const int64_t file_bytes = synthesize(synth).output_bytes;
  ASSERT_GT(file_bytes, 200'000'000);

  const int64_t before = private_bytes();
  ASSERT_GT(before, 0) << "no RssAnon in /proc/self/status";
  TransformerOptions options;
  options.chunk = 64;
  Runner runner(synth.output, options);
  const std::vector<int32_t> ids = Random(1).ids(70, synth.config.vocab);
  runner.transformer().forward(ids, Logits::kLast, [](int64_t, int64_t, std::span<const float>) {});
  const int64_t used = private_bytes() - before;
  EXPECT_LT(used, runner.transformer().kv_bytes() + 60'000'000) << "of a file of " << file_bytes;
}

}  // namespace
}  // namespace octavo::test
