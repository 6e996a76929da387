// Choosing a token from a vocabulary of 32,000: each stage alone, and grammars over Mistral's
// tokenizer.
//   build/release/bin/sampler_bench
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "bench/run.h"
#include "octavo/octavo.hpp"
#include "text/grammar/grammar_stage.h"
#include "text/tokenizer.h"

namespace octavo::bench {
namespace {

constexpr size_t kVocab = 32'000;

/// Near what a model gives: a few likely tokens and a long tail.
std::vector<float> logits() {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> values(kVocab);
  for (float& value : values) value = normal(random);
  for (size_t i = 0; i < 20; ++i) values[random() % kVocab] += 8;
  return values;
}

SamplingOptions plain() {
  SamplingOptions options;
  options.top_k = 0;
  options.top_p = 1;
  options.min_p = 0;
  return options;
}

void sample(benchmark::State& state, const SamplingOptions& options) {
  const std::vector<float> values = logits();
  Sampler sampler(options);
  for (int32_t id = 0; id < 2000; ++id) sampler.accept(id % 700);
  for (auto _ : state) benchmark::DoNotOptimize(sampler.sample(values));
}

SamplingOptions with(void (*change)(SamplingOptions&)) {
  SamplingOptions options = plain();
  change(options);
  return options;
}

const std::pair<const char*, SamplingOptions> kSamplers[] = {
    {"defaults", {}},
    {"greedy", with([](SamplingOptions& o) { o.temperature = 0; })},
    {"penalties", with([](SamplingOptions& o) {
       o = {};
       o.repeat_penalty = 1.1f;
       o.frequency_penalty = 0.1f;
     })},
    {"dry", with([](SamplingOptions& o) {
       o = {};
       o.dry_multiplier = 0.8f;
     })},
    {"temperature_alone", plain()},
    {"typical_alone", with([](SamplingOptions& o) { o.typical_p = 0.9f; })},
    {"top_p_alone", with([](SamplingOptions& o) { o.top_p = 0.9f; })},
    {"min_p_alone", with([](SamplingOptions& o) { o.min_p = 0.05f; })},
    {"mirostat", with([](SamplingOptions& o) { o.mirostat = true; })},
};

constexpr const char* kAnyJson = "{}";
constexpr const char* kPeople = R"({"type": "array", "items": {"type": "object", "properties": {
  "name": {"type": "string", "maxLength": 40}, "born": {"type": "string", "format": "date"},
  "children": {"type": "integer", "minimum": 0, "maximum": 20},
  "note": {"type": "string"}}, "required": ["name", "born", "children", "note"]}})";
constexpr const char* kText = R"([{"name": "Ada Lovelace", "born": "1815-12-10", "children": 3,
 "note": "Wrote the first program, \"Note G\", for a machine that was never built."},
 {"name": "Émilie du Châtelet", "born": "1706-12-17", "children": 3,
 "note": "Translated Newton's Principia; 日本語 has her as エミリー・デュ・シャトレ."}])";

/// One text, token by token: the mask, and the step. A new sampler each time, so nothing is known
/// of the grammar at first.
void grammar(benchmark::State& state, const char* schema) {
  std::ifstream file(OCTAVO_TOKENIZER, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto tokenizer = make_tokenizer(bytes, OCTAVO_TOKENIZER);
  if (tokenizer == nullptr) return state.SkipWithError("no SentencePiece in this build");
  const TokenTries tries(*tokenizer);
  tries.get(true);
  tries.get(false);
  SamplingOptions options;
  options.json_schema = schema;
  const auto compiled = requested_grammar(options);
  const std::vector<int32_t> ids = tokenizer->encode(kText);
  const std::vector<float> values = logits();
  Candidates candidates;
  for (auto _ : state) {
    GrammarStage stage(compiled, *tokenizer, tries, 2);
    for (const int32_t id : ids) {
      candidates.read(values);
      stage.apply(candidates);
      stage.chosen(id, 1);
      stage.accept(id);
    }
    if (!stage.finished()) return state.SkipWithError("the text is not of the schema");
  }
  state.counters["s/token"] = benchmark::Counter(
      static_cast<double>(ids.size()),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void compile(benchmark::State& state) {
  SamplingOptions options;
  options.json_schema = kPeople;
  for (auto _ : state) benchmark::DoNotOptimize(requested_grammar(options));
}

void register_all() {
  for (const auto& [name, options] : kSamplers) {
    benchmark::RegisterBenchmark(
        (std::string("sample/") + name).c_str(),
        [&options = options](benchmark::State& state) { sample(state, options); })
        ->Unit(benchmark::kMicrosecond);
  }
  for (const auto& [name, schema] :
       {std::pair("any_json", kAnyJson), std::pair("people", kPeople)}) {
    benchmark::RegisterBenchmark(
        (std::string("grammar/") + name).c_str(),
        [schema = schema](benchmark::State& state) { grammar(state, schema); })
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::RegisterBenchmark("compile/people", compile)->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace octavo::bench

int main(int argc, char** argv) {
  return octavo::bench::run(argc, argv, octavo::bench::register_all);
}
