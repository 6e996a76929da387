// What octavo.hpp says that is thrown, function by function: the code, and a line that helps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "support/temp_dir.h"
#include "support/thrown.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

/// The call is refused by `code` with one line that has `part` in it.
template <class Call>
void expect_refused(ErrorCode code, const char* part, Call&& call) {
  const Thrown thrown = thrown_by(std::forward<Call>(call));
  EXPECT_EQ(thrown.code, code) << part;
  EXPECT_THAT(thrown.message, HasSubstr(part));
  EXPECT_EQ(thrown.message.find('\n'), std::string::npos) << thrown.message;
}

class ErrorsTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kQ4_0};
  const Model model_ = Model::open(file_.path());
  const TempDir folder_;
  const std::vector<int32_t> ids_ = {1, 5, 6};
};

TEST_F(ErrorsTest, OfModels) {
  expect_refused(ErrorCode::kIo, "/nowhere.8vo", [] { Model::open("/nowhere.8vo"); });
  expect_refused(ErrorCode::kIo, folder_.path().c_str(),
                 [&] { Model::open(folder_.path().string()); });
  const std::string text = folder_.file("text.8vo");
  write_file(text, std::string(5000, 'x'));
  expect_refused(ErrorCode::kFormat, "text.8vo", [&] { Model::open(text); });
  expect_refused(ErrorCode::kUnsupported, "abacus",
                 [&] { Model::open(file_.path(), {.device = "abacus"}); });
  expect_refused(ErrorCode::kInvalidArgument, "window",
                 [&] { Model::open(file_.path(), {.window = -1}); });
  const std::vector<int32_t> beyond = {5, 4096};
  expect_refused(ErrorCode::kInvalidArgument, "4096", [&] { model_.detokenize(beyond); });
  expect_refused(ErrorCode::kInvalidArgument, "4096", [&] { TextStream(model_, beyond); });
}

TEST_F(ErrorsTest, OfAModelWithoutATokenizer) {
  const Converted file(test_data("tiny-mixtral") / "hf", Format::kF32);
  const Model model = Model::open(file.path());
  ASSERT_FALSE(model.info().has_tokenizer);
  const std::vector<ChatMessage> talk = {{"user", "Hello"}};
  Session session(model, {.threads = 1});
  const char* what = "put tokenizer.model beside the weights and convert again";
  expect_refused(ErrorCode::kUnsupported, what, [&] { model.tokenize("a"); });
  expect_refused(ErrorCode::kUnsupported, what, [&] { model.detokenize(ids_); });
  expect_refused(ErrorCode::kUnsupported, what, [&] { model.encode_chat(talk); });
  expect_refused(ErrorCode::kUnsupported, what, [&] { TextStream stream(model); });
  expect_refused(ErrorCode::kUnsupported, what, [&] { generate(session, talk, {}, {}, {}); });
  expect_refused(ErrorCode::kUnsupported, what,
                 [&] { generate(session, ids_, {.stop = {"a"}}, {}, {}); });
  expect_refused(ErrorCode::kUnsupported, what,
                 [&] { Sampler(model, {.grammar = "root ::= \"a\""}); });
  EXPECT_EQ(session.position(), 0);
}

TEST_F(ErrorsTest, OfSessionOptions) {
  const auto refused = [&](const char* part, const SessionOptions& options) {
    expect_refused(ErrorCode::kInvalidArgument, part, [&] { Session(model_, options); });
  };
  refused("context", {.context = -1});
  refused("context", {.context = std::numeric_limits<int64_t>::max()});
  refused("chunk", {.chunk = 0});
  refused("threads", {.threads = -1});
  refused("threads", {.threads = 100000});
  refused("keep", {.context = 8, .context_shift = true, .keep = 7});
  refused("keep", {.context = 8, .context_shift = true, .keep = -1});
}

TEST_F(ErrorsTest, OfTokensThatASessionIsGiven) {
  Session session(model_, {.context = 8, .threads = 1});
  session.feed(ids_);
  const std::vector<int32_t> none, beyond = {5, 4096}, negative = {-1}, many(6, 5), more(9, 5);
  const auto ignore = [](int64_t, std::span<const float>) {};
  using Ids = std::vector<int32_t>;
  const std::function<void(const Ids&)> calls[] = {
      [&](const Ids& ids) { session.feed(ids); },
      [&](const Ids& ids) { session.evaluate(ids, 0, ignore); },
      [&](const Ids& ids) { session.prompt(ids); },
      [&](const Ids& ids) { generate(session, ids, {}, {}, {}); },
      [&](const Ids& ids) { generate(session, ids, {.whole_prompt = true}, {}, {}); },
  };
  for (const auto& call : calls) {
    expect_refused(ErrorCode::kInvalidArgument, "", [&] { call(none); });
    expect_refused(ErrorCode::kInvalidArgument, "4096", [&] { call(beyond); });
    expect_refused(ErrorCode::kInvalidArgument, "-1", [&] { call(negative); });
    expect_refused(ErrorCode::kOutOfRange, "context of 8", [&] { call(more); });
    EXPECT_EQ(session.position(), 3);
  }
  expect_refused(ErrorCode::kOutOfRange, "room for 5", [&] { session.feed(many); });
  expect_refused(ErrorCode::kInvalidArgument, "from token 3 of 3",
                 [&] { session.evaluate(ids_, 3, ignore); });
  expect_refused(ErrorCode::kInvalidArgument, "from token -1",
                 [&] { session.evaluate(ids_, -1, ignore); });
  expect_refused(ErrorCode::kInvalidArgument, "position 3 to 4", [&] { session.rewind(4); });
  expect_refused(ErrorCode::kInvalidArgument, "position 3 to -1", [&] { session.rewind(-1); });
  EXPECT_EQ(session.position(), 3);
}

TEST_F(ErrorsTest, OfSessionFiles) {
  Session session(model_, {.threads = 1});
  session.feed(ids_);
  const std::string path = folder_.file("session");
  expect_refused(ErrorCode::kIo, "/nowhere/session", [&] { session.save("/nowhere/session"); });
  expect_refused(ErrorCode::kIo, path.c_str(), [&] { Session::restore(model_, path); });
  session.save(path);
  expect_refused(ErrorCode::kOutOfRange, "larger context",
                 [&] { Session::restore(model_, path, {.context = 2}); });
  expect_refused(ErrorCode::kInvalidArgument, "f16",
                 [&] { Session::restore(model_, path, {.cache = CacheType::kF32}); });
  const Model other = Model::open(file_.path(), {.window = 64});
  expect_refused(ErrorCode::kInvalidArgument, "window", [&] { Session::restore(other, path); });
  write_file(path, read_file(path) + "x");
  expect_refused(ErrorCode::kFormat, path.c_str(), [&] { Session::restore(model_, path); });
}

TEST_F(ErrorsTest, OfSamplers) {
  const auto refused = [](const char* part, const SamplingOptions& options) {
    expect_refused(ErrorCode::kInvalidArgument, part, [&] { Sampler::check(options); });
  };
  refused("temperature", {.temperature = -1});
  refused("temperature", {.temperature = std::numeric_limits<float>::quiet_NaN()});
  refused("top-k", {.top_k = -1});
  refused("top-p", {.top_p = 2});
  refused("min-p", {.min_p = -1});
  refused("", {.grammar = "root ::= nothing"});
  refused("", {.grammar = "root ::= \"a\"", .json_schema = "{}"});
  expect_refused(ErrorCode::kInvalidArgument, "model",
                 [] { Sampler({.grammar = "root ::= \"a\""}); });
  Sampler sampler;
  const std::vector<float> logits = {1, 2, 3};
  expect_refused(ErrorCode::kInvalidArgument, "no logits", [&] { sampler.sample({}); });
  expect_refused(ErrorCode::kInvalidArgument, "id 3", [&] { Sampler::logprobs(logits, 3, 1); });
  expect_refused(ErrorCode::kInvalidArgument, "id -1", [&] { Sampler::logprobs(logits, -1, 1); });
  expect_refused(ErrorCode::kInvalidArgument, "count", [&] { Sampler::logprobs(logits, 0, -1); });
  // Of another model: too few logits for the grammar's tokens.
  Sampler knowing(model_, {.grammar = "root ::= \"a\""});
  expect_refused(ErrorCode::kInvalidArgument, "4096", [&] { knowing.sample(logits); });
  // Penalties for tokens that there are not do nothing.
  Sampler penalising({.temperature = 0, .repeat_penalty = 2});
  for (const int32_t id : {-1, 3, std::numeric_limits<int32_t>::max()}) penalising.accept(id);
  EXPECT_EQ(penalising.sample(logits), 2);
}

TEST_F(ErrorsTest, OfGenerate) {
  Session session(model_, {.context = 8, .threads = 1});
  const auto refused = [&](ErrorCode code, const char* part, const GenerateOptions& options,
                           const SamplingOptions& sampling = {}) {
    expect_refused(code, part, [&] { generate(session, ids_, options, sampling, {}); });
    EXPECT_EQ(session.position(), 0);
  };
  refused(ErrorCode::kInvalidArgument, "stop text 2 is empty", {.stop = {"a", ""}});
  refused(ErrorCode::kInvalidArgument, "stop text 1 is not UTF-8", {.stop = {"\xFF"}});
  refused(ErrorCode::kInvalidArgument, "logprobs", {.logprobs = -2});
  refused(ErrorCode::kInvalidArgument, "temperature", {}, {.temperature = -1});
  refused(ErrorCode::kInvalidArgument, "9999", {}, {.logit_bias = {{9999, 1}}});
}

TEST_F(ErrorsTest, WhatASessionIsIsNeverAuto) {
  const CacheType types[] = {CacheType::kF32, CacheType::kF16, CacheType::kBF16, CacheType::kQ8_0};
  for (const CacheType type : types) {
    EXPECT_EQ(Session(model_, {.threads = 1, .cache = type}).cache_type(), type);
  }
  EXPECT_EQ(Session(model_, {.threads = 1}).cache_type(), CacheType::kF16);
  const Converted file(test_data("tiny-mixtral") / "hf", Format::kF32);
  const Model floats = Model::open(file.path());
  EXPECT_EQ(Session(floats, {.threads = 1}).cache_type(), CacheType::kF32);
  EXPECT_EQ(Session(floats, {.threads = 3}).threads(), 3);
  EXPECT_GE(Session(floats).threads(), 1);
  Session kept(model_, {.threads = 1, .cache = CacheType::kQ8_0});
  kept.feed(ids_);
  kept.save(folder_.file("kept"));
  EXPECT_EQ(Session::restore(model_, folder_.file("kept")).cache_type(), CacheType::kQ8_0);
  EXPECT_EQ(kept.fork().cache_type(), CacheType::kQ8_0);
}

}  // namespace
}  // namespace octavo::test
