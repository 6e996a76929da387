// The shipped model in every format: prefill and decode agree, and any number of threads writes the
// same text.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_device.h"
#include "simd/wide.h"
#include "support/compare.h"
#include "support/converted.h"
#include "support/files.h"
#include "support/kernel_tables.h"
#include "support/random.h"

namespace octavo::test {
namespace {

class PocketMixtral : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, PocketMixtral, ::testing::ValuesIn(all_formats()),
                         [](const auto& test) { return std::string(format_name(test.param)); });

TransformerOptions options_for(Format format, int threads = 0) {
  TransformerOptions options;
  options.context = 256;
  options.threads = threads;
  options.kv_type = format == Format::kF32 ? KvType::kF32 : KvType::kF16;
  return options;
}

// A prompt of real token ids: the model's routing on noise is not its routing on text, but its sums
// are.
std::vector<int32_t> prompt(int64_t vocab) {
  std::vector<int32_t> ids = Random(3).ids(60, vocab);
  ids.front() = 1;
  return ids;
}

// Largest difference between logits of the same tokens fed another way, relative to their root mean
// square. f32 and f16: the order of the sums. bf16: prefill takes activations in 16 bits of
// mantissa. A quantized product gives a row the same bits in any company, but attention and norms
// round differently now and then, and an activation on the edge between two int8 steps may take the
// other one.
double tolerance(Format format) {
  if (traits(format).activation == ActivationFormat::kQ8) return 0.02;
  return format == Format::kF32 ? 5e-5 : 5e-3;
}

TEST_P(PocketMixtral, PrefillEqualsDecodeOnEveryTable) {
  const Converted file(pocket_mixtral(), GetParam());
  for (const Kernels* table : tables_for_models()) {
    const std::shared_ptr<Device> device = make_cpu_device(*table);
    Runner whole(file.path(), options_for(GetParam()), device);
    const std::vector<int32_t> ids = prompt(whole.config().vocab);
    // Where many rows meet other roundings (simd/wide.h, bf16_rows.h), runs of few rows agree; in
    // attention (attend_tile) those of at most 2 tokens, and those of more.
    const bool rounds = traits(GetParam()).activation == ActivationFormat::kQ8 &&
                        (table->matmul_wide != nullptr || table->matmul_bf16 != nullptr);
    for (const auto& [chunk, other] : {std::pair{1, 2}, std::pair{7, 3}}) {
      whole.transformer().rewind(0);
      const Matrix expected = whole.logits(ids, rounds ? other : 0);
      const double size = expected.norm() / std::sqrt(static_cast<double>(expected.size()));
      Runner runner(file.path(), options_for(GetParam()), device);
      EXPECT_LT(max_difference(runner.logits(ids, chunk), expected) / size, tolerance(GetParam()))
          << table->name << " by " << chunk;
    }
  }
}

TEST_P(PocketMixtral, AnyNumberOfThreadsWritesTheSame) {
  const Converted file(pocket_mixtral(), GetParam());
  Runner one(file.path(), options_for(GetParam(), 1));
  const std::vector<int32_t> ids = prompt(one.config().vocab);
  const std::vector<int32_t> expected = one.greedy(ids, 24);
  one.transformer().rewind(0);
  const Matrix logits = one.logits(ids);
  for (const int threads : {2, 3, 4}) {
    Runner runner(file.path(), options_for(GetParam(), threads));
    EXPECT_EQ(runner.greedy(ids, 24), expected) << threads << " threads";
    runner.transformer().rewind(0);
    EXPECT_TRUE(runner.logits(ids) == logits) << threads << " threads";
  }
}

// What the formats lose must be in the order that their bits say.
TEST(PocketMixtralFormats, AreAsFarFromF32AsTheirBitsSay) {
  const Converted exact_file(pocket_mixtral(), Format::kF32);
  Runner exact(exact_file.path(), options_for(Format::kF32));
  const std::vector<int32_t> ids = prompt(exact.config().vocab);
  const Matrix expected = exact.logits(ids);
  const auto error = [&](Format format) {
    const Converted file(pocket_mixtral(), format);
    Runner runner(file.path(), options_for(Format::kF32));
    return relative_rms(runner.logits(ids), expected);
  };
  EXPECT_LT(error(Format::kBF16), 1e-3);  // the checkpoint is bf16
  EXPECT_LT(error(Format::kF16), 1e-3);
  const double q8 = error(Format::kQ8_0), q4_k = error(Format::kQ4_K), q4_0 = error(Format::kQ4_0);
  EXPECT_LT(q8, 0.05);
  EXPECT_LT(q4_k, 0.3);
  EXPECT_LT(q4_0, 0.4);
  const double q6_k = error(Format::kQ6_K), q5_k = error(Format::kQ5_K);
  EXPECT_LT(q6_k, 0.05);
  EXPECT_LT(q6_k, q5_k);
  EXPECT_LT(q5_k, q4_k);
  EXPECT_LT(q8, q4_k);
  EXPECT_LT(q8, q4_0);
}

// What the wide kernels round is small beside what 4 bits have lost. 5 bits have lost half as much.
TEST(PocketMixtralFormats, ManyRowsLoseNoMoreThanFew) {
  const Converted exact_file(pocket_mixtral(), Format::kF32);
  Runner exact(exact_file.path(), options_for(Format::kF32));
  const std::vector<int32_t> ids = prompt(exact.config().vocab);
  const Matrix expected = exact.logits(ids);
  for (const Format format : wide_formats()) {
    const Converted file(pocket_mixtral(), format);
    Runner few(file.path(), options_for(format)), many(file.path(), options_for(format));
    const Matrix from_few = few.logits(ids, 7), from_many = many.logits(ids);
    const double lost = relative_rms(from_few, expected);
    EXPECT_LT(relative_rms(from_many, expected), 1.1 * lost) << format_name(format);
    const double share = format == Format::kQ5_K ? 0.6 : 0.4;
    EXPECT_LT(relative_rms(from_many, from_few), share * lost) << format_name(format);
  }
}

}  // namespace
}  // namespace octavo::test
