// Sessions that are saved and restored: they go on bit by bit as if nothing had happened, and
// damaged or foreign files are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <tuple>

#include "api/session_models.h"

namespace octavo::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Model& model_of(const std::string& name, Format format) {
  static std::map<std::pair<std::string, Format>, std::pair<Converted, Model>> models;
  auto found = models.find({name, format});
  if (found == models.end()) {
    Converted file(name == "pocket" ? pocket_mixtral() : test_data(name) / "hf", format);
    Model model = Model::open(file.path());
    found =
        models.emplace(std::pair(name, format), std::pair(std::move(file), std::move(model))).first;
  }
  return found->second.second;
}

std::string refusal(const Model& model, const std::string& path,
                    const SessionOptions& options = {}) {
  try {
    Session::restore(model, path, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Model (one of them with a window) and cache type.
class SavedSessionTest : public testing::TestWithParam<std::tuple<const char*, CacheType>> {
 protected:
  const Model& model() const { return model_of(std::get<0>(GetParam()), Format::kQ4_0); }
  SessionOptions options() const {
    return {.context = 400, .chunk = 64, .cache = std::get<1>(GetParam())};
  }
  const TempDir folder_;
  const std::string path_ = folder_.file("saved");
};

INSTANTIATE_TEST_SUITE_P(Models, SavedSessionTest,
                         testing::Combine(testing::Values("pocket", "tiny-mistral-swa"),
                                          testing::Values(CacheType::kF32, CacheType::kF16,
                                                          CacheType::kBF16, CacheType::kQ8_0)),
                         [](const auto& test) {
                           const std::string name = std::get<0>(test.param);
                           return (name == "pocket" ? "Full" : "Window") +
                                  std::to_string(static_cast<int>(std::get<1>(test.param)));
                         });

TEST_P(SavedSessionTest, GoesOnAsIfNothingHadHappened) {
  // Short of the window, in the middle of a page, at its end, and once around the ring.
  for (const int64_t length : {5, 64, 150, 300}) {
    Session session(model(), options());
    session.feed(Random(5).ids(length, model().info().vocab));
    go_on(session, 11);
    session.save(path_);
    Session restored = Session::restore(model(), path_, options());
    EXPECT_EQ(held(restored), held(session));
    EXPECT_EQ(restored.position(), length + 11);
    EXPECT_EQ(go_on(restored, 60), go_on(session, 60)) << length;
  }
}

TEST_P(SavedSessionTest, ARestoredSessionCanBeSavedAgain) {
  Session session(model(), options());
  session.feed(Random(6).ids(200, model().info().vocab));
  session.save(path_);
  const std::string bytes = read_file(path_);
  Session restored = Session::restore(model(), path_, options());
  restored.save(path_);
  EXPECT_EQ(read_file(path_), bytes);
  restored.rewind(199);
  restored.save(path_);
  Session again = Session::restore(model(), path_, options());
  session.rewind(199);
  const std::vector<int32_t> next = {9};
  again.feed(next);
  session.feed(next);
  EXPECT_EQ(go_on(again, 20), go_on(session, 20));
}

TEST_P(SavedSessionTest, AnEmptySessionToo) {
  Session(model(), options()).save(path_);
  Session restored = Session::restore(model(), path_, options());
  EXPECT_EQ(restored.position(), 0);
  Session anew(model(), options());
  const std::vector<int32_t> ids = {1, 2, 3};
  restored.feed(ids);
  anew.feed(ids);
  EXPECT_EQ(go_on(restored, 5), go_on(anew, 5));
}

TEST_P(SavedSessionTest, KeepsTheCacheType) {
  Session session(model(), options());
  session.feed(std::vector<int32_t>{1, 5});
  session.save(path_);
  SessionOptions any = options();
  any.cache = CacheType::kAuto;
  Session restored = Session::restore(model(), path_, any);
  EXPECT_EQ(restored.cache_bytes(), session.cache_bytes());
  EXPECT_EQ(go_on(restored, 5), go_on(session, 5));
  SessionOptions other = options();
  other.cache = other.cache == CacheType::kF32 ? CacheType::kF16 : CacheType::kF32;
  EXPECT_THAT(refusal(model(), path_, other), HasSubstr("keeps keys and values in "));
}

class ForeignSessionTest : public testing::Test {
 protected:
  void save(const Model& model, const SessionOptions& options = {}) {
    Session session(model, options);
    session.feed(Random(7).ids(100, model.info().vocab));
    session.save(path_);
  }
  const TempDir folder_;
  const std::string path_ = folder_.file("saved");
};

TEST_F(ForeignSessionTest, IsRefusedByAnotherModelInOneLine) {
  save(model_of("pocket", Format::kQ4_0));
  const std::string other_format = refusal(model_of("pocket", Format::kQ8_0), path_);
  EXPECT_THAT(other_format, AllOf(HasSubstr("mixtral in q4_0"), HasSubstr("mixtral in q8_0")));
  EXPECT_EQ(other_format.find('\n'), std::string::npos);
  EXPECT_THAT(refusal(model_of("tiny-mixtral", Format::kQ4_0), path_),
              AllOf(HasSubstr("6 layers of 256"), HasSubstr("2 layers of 64")));
}

TEST_F(ForeignSessionTest, IsRefusedByTheSameShapeWithOtherWeights) {
  const Converted one(one_layer_config(0), 1, Format::kF16),
      two(one_layer_config(0), 2, Format::kF16);
  save(Model::open(one.path()));
  EXPECT_THAT(refusal(Model::open(two.path()), path_), HasSubstr("with other weights"));
  EXPECT_EQ(refusal(Model::open(one.path()), path_), "");
}

TEST_F(ForeignSessionTest, IsRefusedByASmallerContext) {
  save(model_of("pocket", Format::kQ4_0), {.context = 300});
  EXPECT_THAT(refusal(model_of("pocket", Format::kQ4_0), path_, {.context = 99}),
              HasSubstr("holds 100 tokens, more than the context of 99"));
  EXPECT_EQ(refusal(model_of("pocket", Format::kQ4_0), path_, {.context = 100}), "");
}

TEST_F(ForeignSessionTest, IsRefusedWhenItIsNoSession) {
  EXPECT_THAT(refusal(model_of("pocket", Format::kQ4_0), folder_.file("none")),
              HasSubstr("cannot open"));
  write_file(path_, "Once upon a time there was no session in this file, but a story instead.");
  EXPECT_THAT(refusal(model_of("pocket", Format::kQ4_0), path_), HasSubstr("not a saved session"));
}

TEST_F(ForeignSessionTest, SavingFailsWithoutLeavingAnything) {
  Session session(model_of("pocket", Format::kQ4_0));
  EXPECT_THROW(session.save(folder_.file("no/where")), Error);
  EXPECT_THROW(session.save(folder_.path().string()), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(ForeignSessionTest, RandomDamageOfALargeFileIsRefused) {
  const Model& model = model_of("pocket", Format::kQ4_0);
  save(model);
  const std::string whole = read_file(path_);
  ASSERT_GT(whole.size(), 150'000u);
  Random random(8);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    char& byte = bytes[static_cast<size_t>(random.below(static_cast<int64_t>(bytes.size())))];
    byte = static_cast<char>(byte ^ (1 << random.below(8)));
    write_file(path_, bytes);
    ASSERT_NE(refusal(model, path_), "");
  }
  write_file(path_, whole);
  EXPECT_EQ(refusal(model, path_), "");
}

}  // namespace
}  // namespace octavo::test
