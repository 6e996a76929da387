// A mapped model file: lookups, views, and verification of the data.
#include "io/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/small_model.h"

namespace octavo::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ModelFile, FindsTensors) {
  const SmallModel model;
  const ModelFile file(model.path());
  EXPECT_TRUE(file.has("layers.0.experts.1.w2"));
  EXPECT_FALSE(file.has("layers.1.wq"));
  const TensorView view = file.tensor("layers.0.experts.1.w2", 32, 48);
  EXPECT_EQ(view.format, Format::kQ4_0);
  EXPECT_EQ(view.order, Order::kPacked);
  EXPECT_EQ(view.bytes, packed_bytes(Format::kQ4_0, 32, 48));
  EXPECT_THAT(error_of([&] { file.tensor("layers.1.wq", 32, 32); }), HasSubstr("no tensor"));
  EXPECT_THAT(error_of([&] { file.tensor("layers.0.wq", 32, 31); }), HasSubstr("expected 32 x 31"));
}

// One expert is one contiguous extent in the order w1, w3, w2; only page padding in between.
TEST(ModelFile, ExpertsAreContiguous) {
  const SmallModel model;
  const ModelFile file(model.path());
  for (const char* expert : {"layers.0.experts.0.", "layers.0.experts.1."}) {
    const auto& tensors = file.directory().tensors;
    const auto first = std::find_if(tensors.begin(), tensors.end(), [&](const TensorEntry& t) {
      return t.name == std::string(expert) + "w1";
    });
    ASSERT_LT(first, tensors.end() - 2);
    EXPECT_EQ(first[1].name, std::string(expert) + "w3");
    EXPECT_EQ(first[2].name, std::string(expert) + "w2");
    EXPECT_EQ(first[1].offset, page_up(first[0].offset + first[0].bytes));
    EXPECT_EQ(first[2].offset, page_up(first[1].offset + first[1].bytes));
  }
}

TEST(ModelFile, VerifyFindsTheDamagedTensor) {
  const SmallModel model;
  EXPECT_THAT(ModelFile(model.path()).verify(2), IsEmpty());
  const ModelDirectory directory = parse(model.bytes());
  for (const size_t index : {size_t{0}, size_t{5}, directory.tensors.size() - 1}) {
    const TensorEntry& entry = directory.tensors[index];
    for (const int64_t at : {int64_t{0}, entry.bytes / 2, entry.bytes - 1}) {
      std::string bytes = model.bytes();
      char& byte = bytes[static_cast<size_t>(entry.offset + at)];
      byte = static_cast<char>(byte ^ 1);
      write_file(model.path(), bytes);
      EXPECT_THAT(ModelFile(model.path()).verify(2), ElementsAre(entry.name)) << at;
    }
  }
}

TEST(ModelFile, SaysWhichFileCannotBeOpened) {
  const TempDir folder;
  const std::string missing = folder.file("missing.8vo");
  EXPECT_THAT(error_of([&] { ModelFile file(missing); }), HasSubstr(missing));
  EXPECT_THAT(error_of([&] { ModelFile file(folder.path().string()); }), HasSubstr("no file"));
  write_file(folder.file("empty.8vo"), "");
  EXPECT_THAT(error_of([&] { ModelFile file(folder.file("empty.8vo")); }),
              HasSubstr("empty.8vo: not an .8vo"));
}

TEST(MappedFile, MovesAndReleases) {
  const TempDir folder;
  const std::string text(10000, 'x');
  write_file(folder.file("data"), text);
  MappedFile first(folder.file("data"));
  MappedFile second(std::move(first));
  EXPECT_EQ(second.size(), 10000);
  second.release(0, 10000);  // pages go, and come back when they are read
  second.release(-5, 1 << 20);
  EXPECT_EQ(std::to_integer<char>(second.bytes()[9999]), 'x');
  first = std::move(second);
  EXPECT_EQ(first.size(), 10000);
  write_file(folder.file("empty"), "");
  EXPECT_TRUE(MappedFile(folder.file("empty")).bytes().empty());
}

}  // namespace
}  // namespace octavo::test
