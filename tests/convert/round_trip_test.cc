// Out to GGUF and in again: nothing may change.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "io/model_file.h"
#include "octavo/convert.hpp"
#include "octavo/octavo.hpp"
#include "support/checkpoint.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace octavo::test {
namespace {

std::string convert_to(const std::string& source, const std::string& output,
                       const std::string& recipe) {
  ConvertOptions options;
  options.source = source;
  options.output = output;
  options.recipe = recipe;
  convert(options);
  return output;
}

std::string export_to(const std::string& model, const std::string& output) {
  ExportOptions options;
  options.model = model;
  options.output = output;
  export_gguf(options);
  return output;
}

void expect_same_tensors(const ModelFile& a, const ModelFile& b) {
  const auto &list_a = a.directory().tensors, &list_b = b.directory().tensors;
  ASSERT_EQ(list_a.size(), list_b.size());
  for (size_t i = 0; i < list_a.size(); ++i) {
    EXPECT_EQ(list_a[i].name, list_b[i].name);
    EXPECT_EQ(list_a[i].format, list_b[i].format) << list_a[i].name;
    EXPECT_EQ(list_a[i].checksum, list_b[i].checksum) << list_a[i].name;
  }
}

class RoundTrip : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Types, RoundTrip,
                         ::testing::Values("f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q5_k",
                                           "q6_k", "q4_k_m"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(RoundTrip, ModelsComeBackAsTheyWere) {
  const TempDir folder;
  const std::string type = GetParam();
  const std::string there = convert_to(pocket_mixtral().string(), folder.file("there.8vo"), type);
  // Without a type only quantized tensors keep theirs.
  const std::string back = convert_to(export_to(there, folder.file("out.gguf")),
                                      folder.file("back.8vo"), type.starts_with('q') ? "" : type);
  expect_same_tensors(ModelFile(there), ModelFile(back));

  const Model a = Model::open(there), b = Model::open(back);
  EXPECT_EQ(a.info().context, b.info().context);
  EXPECT_EQ(a.info().bos, b.info().bos);
  EXPECT_EQ(a.info().eos, b.info().eos);
  EXPECT_EQ(a.chat_template(), b.chat_template());
  const std::string text =
      read_file(OCTAVO_SOURCE_DIR "/LICENSE") + "\n\n  \xC3\xA9t\xC3\xA9 \xF0\x9F\x90\x99\t1234";
  EXPECT_EQ(a.tokenize(text), b.tokenize(text));
}

// The other way round, with a file that llama.cpp has written.
TEST(RoundTripOfLlamaCpp, TensorsComeBackAsTheyWere) {
  const std::filesystem::path gguf =
      shared_data("models/pocket-mixtral-gguf/pocket-mixtral-Q4_K_M.gguf");
  if (!std::filesystem::exists(gguf)) GTEST_SKIP() << "no " << gguf;
  const TempDir folder;
  const std::string first = convert_to(gguf.string(), folder.file("first.8vo"), "");
  const std::string second =
      convert_to(export_to(first, folder.file("out.gguf")), folder.file("second.8vo"), "");
  expect_same_tensors(ModelFile(first), ModelFile(second));
  const ModelFile file(first);
  // What the file's own types are: nothing became something else.
  int64_t q4_k = 0, q5_k = 0, q6_k = 0, q8_0 = 0;
  for (const TensorEntry& entry : file.directory().tensors) {
    q4_k += entry.format == Format::kQ4_K ? 1 : 0;
    q5_k += entry.format == Format::kQ5_K ? 1 : 0;
    q6_k += entry.format == Format::kQ6_K ? 1 : 0;
    q8_0 += entry.format == Format::kQ8_0 ? 1 : 0;
  }
  EXPECT_GT(q4_k, 100);
  EXPECT_EQ(q5_k, 6);   // wo
  EXPECT_GT(q6_k, 8);   // output and w2 of some layers
  EXPECT_EQ(q8_0, 12);  // wk and wv
}

}  // namespace
}  // namespace octavo::test
