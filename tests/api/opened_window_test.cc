// ModelOptions::window: a file that was converted without its window runs as one that has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "support/random.h"

namespace octavo::test {
namespace {

std::vector<float> logits(const Model& model, std::span<const int32_t> ids) {
  std::vector<float> all;
  Session session(model, {.threads = 1});
  session.evaluate(ids, 0, [&all](int64_t, std::span<const float> values) {
    all.insert(all.end(), values.begin(), values.end());
  });
  return all;
}

class OpenedWindow : public ::testing::Test {
 protected:
  const Converted with_{test_data("tiny-mistral-swa") / "hf", Format::kF32};
  const Converted without_{test_data("tiny-mistral-swa") / "hf", Format::kF32, 0};
  const std::vector<int32_t> ids_ = Random(1).ids(90, 128);
};

TEST_F(OpenedWindow, ReplacesThatOfTheFile) {
  EXPECT_EQ(Model::open(with_.path()).info().window, 8);
  EXPECT_EQ(Model::open(without_.path()).info().window, 0);
  const Model given = Model::open(without_.path(), {.window = 8});
  const Model taken = Model::open(with_.path(), {.window = 0});
  EXPECT_EQ(given.info().window, 8);
  EXPECT_EQ(taken.info().window, 0);
  const std::vector<float> windowed = logits(Model::open(with_.path()), ids_);
  const std::vector<float> whole = logits(Model::open(without_.path()), ids_);
  EXPECT_EQ(logits(given, ids_), windowed);
  EXPECT_EQ(logits(taken, ids_), whole);
  EXPECT_NE(windowed, whole);
}

TEST_F(OpenedWindow, DecidesWhatTheCacheTakes) {
  const auto cache = [this](std::optional<int64_t> window) {
    const Model model = Model::open(without_.path(), {.window = window});
    Session session(model, {.threads = 1});
    const std::vector<int32_t> ids = Random(2).ids(600, 128);
    session.feed(ids);
    return session.cache_bytes();
  };
  EXPECT_LT(4 * cache(8), cache(std::nullopt));
  EXPECT_EQ(cache(0), cache(std::nullopt));
}

TEST_F(OpenedWindow, OfTheContextAtMost) {
  const int64_t context = Model::open(with_.path()).info().context;
  EXPECT_EQ(Model::open(with_.path(), {.window = context}).info().window, context);
  for (const int64_t wrong : {int64_t{-1}, context + 1}) {
    try {
      Model::open(with_.path(), {.window = wrong});
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.what(), testing::HasSubstr("a sliding window of " + std::to_string(wrong) +
                                                   " does not fit"));
      EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(context)));
    }
  }
}

}  // namespace
}  // namespace octavo::test
