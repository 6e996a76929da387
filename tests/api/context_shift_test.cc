// Going on when the context is full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/session_models.h"

namespace octavo::test {
namespace {

/// The tokens that stay when the older half behind the first `keep` goes.
std::vector<int32_t> shifted(std::vector<int32_t> ids, int64_t keep) {
  const auto first = ids.begin() + keep;
  ids.erase(first, first + (static_cast<int64_t>(ids.size()) - keep) / 2);
  return ids;
}

// In a model of one layer keys and values depend on their own token alone: what is left of a
// shifted session must be what a new one makes of the same tokens.
void expect_like_new(const Model& model, Session& session, const SessionOptions& options,
                     double tolerance) {
  Session anew(model, options);
  const std::vector<float> expected = [&] {
    const auto logits = anew.prompt(session.tokens());
    return std::vector<float>(logits.begin(), logits.end());
  }();
  const auto logits = session.prompt(session.tokens());
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(logits[i], expected[i], tolerance);
}

TEST(ContextShiftTest, TheFirstAndTheNewestTokensStay) {
  const Converted file(one_layer_config(0), 1, Format::kF32);
  const Model model = Model::open(file.path());
  const SessionOptions options = {.context = 100, .threads = 1, .context_shift = true, .keep = 5};
  Session session(model, options);
  const std::vector<int32_t> ids = Random(1).ids(330, model.info().vocab);
  std::vector<int32_t> expected;
  for (const int32_t id : ids) {
    if (expected.size() == 100) expected = shifted(expected, 5);
    expected.push_back(id);
    session.feed(std::span(&id, 1));
    ASSERT_EQ(held(session), expected);
    if (session.position() % 7 == 0) expect_like_new(model, session, options, 5e-5);
  }
}

TEST(ContextShiftTest, ALongPromptGoesThroughChunkByChunk) {
  const Converted file(one_layer_config(0), 1, Format::kF32);
  const Model model = Model::open(file.path());
  const SessionOptions options = {
      .context = 1000, .chunk = 64, .threads = 1, .context_shift = true, .keep = 4};
  Session session(model, options), by_one(model, options);
  const std::vector<int32_t> ids = Random(2).ids(3100, model.info().vocab);
  session.feed(ids);
  for (const int32_t id : ids) by_one.feed(std::span(&id, 1));
  EXPECT_EQ(held(session), held(by_one));
  expect_like_new(model, session, options, 5e-5);
  EXPECT_EQ(go_on(session, 1200).ids, go_on(by_one, 1200).ids);
}

TEST(ContextShiftTest, WithAWindowToo) {
  const Converted file(one_layer_config(40), 1, Format::kF32);
  const Model model = Model::open(file.path());
  // Far longer than the window, about twice, hardly longer, and no longer.
  for (const int64_t context : {500, 90, 50, 41, 40, 30}) {
    const SessionOptions options = {
        .context = context, .threads = 1, .context_shift = true, .keep = 4};
    Session session(model, options);
    const std::vector<int32_t> ids = Random(3).ids(3 * context + 7, model.info().vocab);
    for (const int32_t id : ids) {
      session.feed(std::span(&id, 1));
      if (session.position() % 7 == 0) expect_like_new(model, session, options, 5e-5);
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << context;
    }
    Session cut = session.fork();
    cut.rewind(session.position() - 1);
    cut.feed(session.tokens().last(1));
    EXPECT_EQ(go_on(cut, 10).ids, go_on(session, 10).ids);
  }
}

TEST(ContextShiftTest, InTheCachesOwnTypes) {
  const Converted file(one_layer_config(0), 1, Format::kF32);
  const Model model = Model::open(file.path());
  for (const auto& [type, unit] :
       {std::pair(CacheType::kF16, 0x1p-11), std::pair(CacheType::kBF16, 0x1p-8)}) {
    const SessionOptions options = {
        .context = 100, .threads = 1, .cache = type, .context_shift = true};
    Session session(model, options);
    const std::vector<int32_t> ids = Random(4).ids(160, model.info().vocab);
    session.feed(ids);
    // Two shifts round a key twice more; logits of this model are about as large as 1.
    expect_like_new(model, session, options, 20 * unit);
  }
}

TEST(ContextShiftTest, GeneratesThreeContextsOfText) {
  const Converted file(pocket_mixtral(), Format::kQ4_0);
  const Model model = Model::open(file.path());
  Session session(model, {.context = 64, .threads = 1, .context_shift = true});
  const std::vector<int32_t> prompt = model.tokenize("Once upon a time");
  std::string text;
  const GenerateResult result =
      generate(session, prompt, {.max_tokens = 192}, {.temperature = 0}, [&](const Token& token) {
        text += token.text;
        return true;
      });
  EXPECT_TRUE(result.generated_tokens == 192 || result.reason == StopReason::kEos);
  EXPECT_THAT(held(session), testing::Contains(prompt.front()));
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.begin() + 4, session.tokens().begin()));
  EXPECT_LE(session.position(), 64);
  const TempDir folder;
  session.save(folder.file("saved"));
  Session restored = Session::restore(model, folder.file("saved"),
                                      {.context = 64, .threads = 1, .context_shift = true});
  EXPECT_EQ(go_on(restored, 100), go_on(session, 100));
}

TEST(ContextShiftTest, WithoutItAFullContextIsAnError) {
  const Converted file(one_layer_config(0), 1, Format::kF32);
  const Model model = Model::open(file.path());
  Session session(model, {.context = 10});
  EXPECT_THROW(session.prompt(Random(5).ids(11, model.info().vocab)), Error);
  session.feed(Random(5).ids(10, model.info().vocab));
  EXPECT_THROW(session.feed(std::vector<int32_t>{1}), Error);
  EXPECT_EQ(session.position(), 10);
}

TEST(ContextShiftTest, RefusesToKeepEverything) {
  const Converted file(one_layer_config(0), 1, Format::kF32);
  const Model model = Model::open(file.path());
  EXPECT_THROW(Session(model, {.context = 10, .context_shift = true, .keep = 9}), Error);
  EXPECT_THROW(Session(model, {.context = 10, .context_shift = true, .keep = -1}), Error);
  EXPECT_NO_THROW(Session(model, {.context = 10, .context_shift = true, .keep = 8}));
}

// Shifts and chunks may end at the position where the call began, and the tokens are others.
TEST(ContextShiftTest, AStoppedFeedForgetsTheLogitsOfBefore) {
  const Converted file(one_layer_config(0), 1, Format::kF32);
  const Model model = Model::open(file.path());
  const SessionOptions options = {
      .context = 16, .chunk = 3, .threads = 1, .context_shift = true, .keep = 4};
  Session session(model, options);
  const std::vector<int32_t> ids = Random(9).ids(23, model.info().vocab);
  session.feed(std::span(ids).first(13));
  session.on_progress([&](int64_t done, int64_t) {
    if (done == 6) session.cancel();
    return true;
  });
  EXPECT_THROW(session.feed(std::span(ids).last(10)), Error);
  session.on_progress({});
  const auto held_now = static_cast<int64_t>(session.tokens().size());
  ASSERT_EQ(held_now, 13);
  session.prompt(session.tokens());
  EXPECT_EQ(session.reused(), held_now - 1);
  expect_like_new(model, session, options, 5e-5);
}

TEST(SessionTokensTest, CanBeFedAgain) {
  const Converted file(one_layer_config(0), 1, Format::kF32);
  const Model model = Model::open(file.path());
  Session session(model, {.context = 400, .threads = 1}),
      other(model, {.context = 400, .threads = 1});
  const std::vector<int32_t> ids = Random(3).ids(100, model.info().vocab);
  session.feed(ids);
  session.feed(session.tokens());
  other.feed(ids);
  other.feed(ids);
  EXPECT_EQ(held(session), held(other));
  const auto a = session.prompt(session.tokens()), b = other.prompt(other.tokens());
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

}  // namespace
}  // namespace octavo::test
