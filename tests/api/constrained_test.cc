// Constrained output through the public API, with a real model's wildest choices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "support/json_validator.h"

namespace octavo::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;

/// All of the subset, each bounded so that the text must come to its end.
const char* const kSchemas[] = {
    R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "kind": {"enum": ["cat", "dog", "\u00e9\"x"]}}, "required": ["name", "age"],
        "additionalProperties": false})",
    R"({"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 4})",
    R"({"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}, "required": ["id"]})",
    R"({"type": "object", "properties": {"day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "time"}}, "required": ["day"]})",
    R"({"type": ["string", "null"], "minLength": 1, "maxLength": 20})",
    R"({"type": "string", "pattern": "^[A-Z][a-z]{1,8}( [0-9]+)?!?$", "$schema": "x"})",
    R"({"anyOf": [{"type": "boolean"}, {"type": "integer", "exclusiveMaximum": -5}, {"const": [1, {"a": null}]}]})",
    R"({"prefixItems": [{"type": "string", "maxLength": 5}, {"type": "integer"}], "items": {"type": "boolean"},
        "type": "array", "maxItems": 4})",
    R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "additionalProperties": false,
        "properties": {"v": {"enum": [1, 2.5, null]}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/leaf"}]}},
        "required": ["v", "next"]}, "leaf": {"type": "array", "items": {"$ref": "#/$defs/v"}, "maxItems": 2},
        "v": {"type": "string", "maxLength": 4}}})",
    R"({"oneOf": [{"type": "object", "properties": {"t": {"const": "a"}, "x": {"type": "boolean"}},
          "required": ["t", "x"]},
        {"type": "object", "properties": {"t": {"const": "b"}, "y": {"allOf": [{"properties":
          {"p": {"type": "null"}}}, {"properties": {"q": {"const": 1}}, "required": ["q"]}]}},
          "required": ["t"]}]})"};

class ConstrainedTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kBF16};
  const Model model_ = Model::open(file_.path());
  Session session_{model_, {.context = 512, .threads = 1}};

  /// Temperature 1.5, and no stage that would drop the unlikely.
  static SamplingOptions wild(uint64_t seed) {
    SamplingOptions options;
    options.temperature = 1.5f;
    options.top_k = 0;
    options.top_p = 1;
    options.min_p = 0;
    options.seed = seed;
    return options;
  }
  std::string text_of(std::span<const int32_t> prompt, const SamplingOptions& options) {
    std::string text;
    session_.reset();
    const GenerateResult result =
        generate(session_, prompt, {.max_tokens = -1}, options, [&text](const Token& token) {
          text += token.text;
          return true;
        });
    EXPECT_EQ(result.reason, StopReason::kEos) << text;
    return text;
  }
};

TEST_F(ConstrainedTest, AThousandTextsOfSchemasAreValid) {
  const auto prompt = model_.tokenize("The answer:");
  const std::vector<int32_t> bos = {1};
  constexpr int kTexts = 100;
  int valid = 0;
  for (const char* schema : kSchemas) {
    json parsed_schema = json::parse(schema);
    for (int i = 0; i < kTexts; ++i) {
      SamplingOptions options = wild(static_cast<uint64_t>(1000 + i));
      options.json_schema = schema;
      const std::string text = text_of(i % 2 == 0 ? prompt : bos, options);
      const json value = json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << schema << '\n' << text;
      ASSERT_EQ(why_invalid(value, parsed_schema, parsed_schema), "") << schema << '\n' << text;
      ++valid;
    }
  }
  EXPECT_EQ(valid, 1000);
}

TEST_F(ConstrainedTest, GrammarsHoldWithTheOtherStages) {
  const auto prompt = model_.tokenize("Once upon a time");
  SamplingOptions options = wild(3);
  options.grammar = "root ::= [a-z]{3,6} \"-\" [日本語é😀]{2} \"-\" (\"yes\" | \"no\")";
  options.repeat_penalty = 1.3f;
  options.dry_multiplier = 1;
  options.xtc_probability = 0.5f;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    options.seed = seed;
    EXPECT_THAT(text_of(prompt, options), MatchesRegex("[a-z]+-.+-(yes|no)"));
    options.mirostat = seed % 2 == 0;
  }
  options.temperature = 0;
  EXPECT_EQ(text_of(prompt, options), text_of(prompt, options));
}

TEST_F(ConstrainedTest, TheEndOfTheGrammarCostsNoPass) {
  const auto prompt = model_.tokenize("Once");
  SamplingOptions options = wild(3);
  options.grammar = "root ::= \"a\"";
  EXPECT_EQ(text_of(prompt, options), "a");
  EXPECT_EQ(session_.position(), static_cast<int64_t>(prompt.size()));
}

TEST_F(ConstrainedTest, FaultsShowBeforeAnythingIsComputed) {
  const auto prompt = model_.tokenize("Once");
  SamplingOptions options;
  options.grammar = "root ::= oops";
  EXPECT_THROW(generate(session_, prompt, {}, options, {}), Error);
  EXPECT_EQ(session_.position(), 0);
  EXPECT_THROW(Sampler::check(options), Error);
  options.grammar = "root ::= \"a\"";
  EXPECT_NO_THROW(Sampler::check(options));
  EXPECT_THROW(Sampler{options}, Error);  // knows no vocabulary
  options.json_schema = "{}";
  EXPECT_THROW(Sampler(model_, options), Error);  // both
}

TEST_F(ConstrainedTest, DryKnowsItsBreakers) {
  const int32_t a = model_.tokenize("a", false).front(), b = model_.tokenize("b", false).front();
  int32_t colon = -1;
  for (int32_t id = 0; id < model_.info().vocab && colon < 0; ++id) {
    if (model_.detokenize(std::vector<int32_t>{a, id}) ==
        model_.detokenize(std::vector<int32_t>{a}) + ":") {
      colon = id;
    }
  }
  ASSERT_GE(colon, 0);
  SamplingOptions options;
  options.temperature = 0;
  options.dry_multiplier = 5;
  options.dry_allowed_length = 1;
  std::vector<float> logits(static_cast<size_t>(model_.info().vocab));
  logits[static_cast<size_t>(b)] = 2;
  logits[static_cast<size_t>(a)] = 1;
  const auto greedy = [&](const std::vector<int32_t>& history) {
    Sampler sampler(model_, options);
    for (const int32_t id : history) sampler.accept(id);
    return sampler.sample(logits);
  };
  EXPECT_EQ(greedy({a, b, 500, a}), a);         // b would repeat "a b"
  EXPECT_EQ(greedy({a, b, 500, a, colon}), b);  // a breaker came between
  logits[static_cast<size_t>(colon)] = 3;
  EXPECT_EQ(greedy({a, colon, 500, a}), colon);  // a breaker may repeat
}

}  // namespace
}  // namespace octavo::test
