// The weights are used where they are mapped: private memory stays far below the file's size.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "octavo/synthesize.hpp"
#include "support/converted.h"
#include "support/memory.h"
#include "support/random.h"
#include "support/temp_dir.h"

namespace octavo::test {
namespace {

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
  if (kIsSanitized) GTEST_SKIP() << "a sanitizer's own memory would be counted";
  const TempDir folder;
  SynthOptions synth;
  synth.config = large_config();
  synth.output = folder.file("large.8vo");
  synth.type = "q4_0";
  const int64_t file_bytes = synthesize(synth).contents.file_bytes;
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
