// octavo compare: what a model has lost against another one, token by token over a text.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "divergence.h"
#include "errors.h"
#include "files.h"
#include "options.h"
#include "progress.h"
#include "scored_text.h"
#include "token_class.h"

namespace octavo::cli {
namespace {

using nlohmann::json;

struct CompareArguments {
  std::string a, b, file;
  int64_t context = 512, chunks = 0, chunk = 0;
  std::optional<int64_t> window;
  int threads = 0;
  CacheType cache_b = CacheType::kAuto;
  bool as_json = false;
};

struct Comparison {
  Divergence overall;
  std::array<Divergence, kTokenClassNames.size()> classes;  // of the token that is predicted
};

void check_vocabularies(const Model& a, const Model& b, const CompareArguments& arguments) {
  if (a.info().vocab != b.info().vocab) {
    fail(ErrorCode::kInvalidArgument,
         "{} has a vocabulary of {} and {} one of {}: their predictions cannot be compared",
         arguments.a, a.info().vocab, arguments.b, b.info().vocab);
  }
  if (!b.info().has_tokenizer) return;  // then it takes the first one's ids
  const std::string text = read_file(arguments.file);
  if (a.tokenize(text) == b.tokenize(text)) return;
  fail(ErrorCode::kInvalidArgument,
       "{} and {} cut {} into different tokens: their predictions cannot be compared", arguments.a,
       arguments.b, arguments.file);
}

// Both models read a part of a chunk in turn, so that only one part's logits are kept.
class Comparer {
 public:
  Comparer(const Model& a, const Model& b, const ScoredText& text,
           const CompareArguments& arguments)
      : text_(text),
        classes_(classify_vocabulary(a)),
        part_(options(text, arguments, CacheType::kAuto).chunk),
        a_(a, options(text, arguments, CacheType::kAuto)),
        b_(b, options(text, arguments, arguments.cache_b)) {}

  void run(int64_t chunk, Comparison& result) {
    a_.reset();
    b_.reset();
    for (int64_t first = 0; first < text_.context(); first += part_) {
      const int64_t last = std::min(first + part_, text_.context());
      kept_.clear();
      score_part(a_, text_, chunk, first, last, [&](int64_t, std::span<const float> logits) {
        kept_.insert(kept_.end(), logits.begin(), logits.end());
      });
      std::span<const float> left = kept_;
      score_part(b_, text_, chunk, first, last, [&](int64_t i, std::span<const float> logits) {
        const int32_t id = text_.chunk(chunk)[static_cast<size_t>(i)];
        const PredictionPair pair = compare_predictions(left.first(logits.size()), logits, id);
        left = left.subspan(logits.size());
        result.overall.add(pair);
        result.classes[static_cast<size_t>(classes_[static_cast<size_t>(id)])].add(pair);
      });
    }
  }

 private:
  static SessionOptions options(const ScoredText& text, const CompareArguments& arguments,
                                CacheType cache) {
    ModelArguments model;
    model.threads = arguments.threads;
    model.chunk = arguments.chunk;
    model.cache = cache;
    return options_for(text, model);
  }

  const ScoredText& text_;
  const std::vector<TokenClass> classes_;
  const int64_t part_;
  Session a_, b_;
  std::vector<float> kept_;  // [scored tokens of a part, vocab]
};

std::string table_row(std::string_view name, const Divergence& d) {
  return fmt::format("{:<12}{:>8}{:>11.5f}{:>10.5f}{:>10.5f}{:>9.4f}{:>8.2f} %{:>11.4f}{:>11.4f}\n",
                     name, d.count(), d.mean(), d.quantile(0.5), d.quantile(0.99), d.quantile(1),
                     100 * d.same_top(), d.a().perplexity(), d.b().perplexity());
}

std::string report_text(const Comparison& result, const CompareArguments& arguments) {
  const Divergence& all = result.overall;
  std::string text = fmt::format("A {}\nB {}\n\n", arguments.a, arguments.b);
  text += fmt::format("{:<12}{:>8}{:>11}{:>10}{:>10}{:>9}{:>10}{:>11}{:>11}\n", "", "tokens",
                      "mean KL", "median", "99 %", "largest", "same top", "ppl A", "ppl B");
  text += table_row("all", all);
  for (size_t i = 0; i < kTokenClassNames.size(); ++i) {
    if (result.classes[i].count() > 0) text += table_row(kTokenClassNames[i], result.classes[i]);
  }
  text += fmt::format("\nmean KL      {:.5f} ± {:.5f} nats, of B's predictions from A's\n",
                      all.mean(), all.mean_error());
  text += fmt::format("perplexity   A {:.4f} ± {:.4f}, B {:.4f} ± {:.4f}\n", all.a().perplexity(),
                      all.a().error(), all.b().perplexity(), all.b().error());
  text += fmt::format("B over A     {:+.3f} % ± {:.3f} %\n", 100 * (all.change().perplexity() - 1),
                      100 * all.change().error());
  return text;
}

json report_json(const Divergence& d) {
  return {{"tokens", d.count()},
          {"mean_kl", d.mean()},
          {"mean_kl_error", d.mean_error()},
          {"median_kl", d.quantile(0.5)},
          {"p99_kl", d.quantile(0.99)},
          {"max_kl", d.quantile(1)},
          {"same_top", d.same_top()},
          {"perplexity_a", d.a().perplexity()},
          {"perplexity_a_error", d.a().error()},
          {"perplexity_b", d.b().perplexity()},
          {"perplexity_b_error", d.b().error()},
          {"log_ratio", d.change().mean()},
          {"log_ratio_error", d.change().mean_error()}};
}

std::string report(const Comparison& result, const CompareArguments& arguments) {
  if (!arguments.as_json) return report_text(result, arguments);
  json root = report_json(result.overall);
  root["a"] = arguments.a;
  root["b"] = arguments.b;
  for (size_t i = 0; i < kTokenClassNames.size(); ++i) {
    if (result.classes[i].count() == 0) continue;
    root["classes"][kTokenClassNames[i]] = report_json(result.classes[i]);
  }
  return root.dump(1) + "\n";
}

int compare(const CompareArguments& arguments) {
  const ModelOptions options = {.window = arguments.window};
  const Model a = Model::open(arguments.a, options), b = Model::open(arguments.b, options);
  check_vocabularies(a, b, arguments);
  const ScoredText text(a, arguments.file, arguments.context, arguments.chunks);
  Comparer comparer(a, b, text, arguments);
  Comparison result;
  const StopRequest stop;
  ProgressBar bar("comparing", "tokens");
  for (int64_t chunk = 0; chunk < text.chunks(); ++chunk) {
    if (stop.requested()) return kExitInterrupted;
    comparer.run(chunk, result);
    bar.show((chunk + 1) * text.context(), text.chunks() * text.context());
  }
  write_output(report(result, arguments));
  return kExitDone;
}

}  // namespace

void add_compare_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand(
      "compare", "Measure how far a model's predictions are from another's, over a text");
  const auto arguments = std::make_shared<CompareArguments>();
  command->add_option("A", arguments->a, "The model to hold against, an .8vo file")
      ->required()
      ->type_name("");
  command->add_option("B", arguments->b, "The model in question, an .8vo file")
      ->required()
      ->type_name("");
  command->add_option("-f,--file", arguments->file, "The text, at least --ctx tokens of it")
      ->type_name("FILE")
      ->required();
  add_context_option(*command, arguments->context, 8,
                     "Tokens in a chunk; the second half of each is scored (default: 512)");
  command->add_option("--chunks", arguments->chunks, "Chunks to read (default: all)")
      ->type_name("N")
      ->check(whole_number(1));
  add_window_option(*command, arguments->window, "each model's own");
  add_threads_option(*command, arguments->threads);
  add_chunk_option(*command, arguments->chunk);
  add_cache_type_option(*command, arguments->cache_b,
                        "How B keeps keys and values; A keeps them as auto does");
  command->add_flag("--json", arguments->as_json, "The figures as JSON");
  command->footer(
      "Mean KL is the Kullback-Leibler divergence in nats, over the whole vocabulary: 0 says that "
      "B\n"
      "predicts as A does. The kinds are those of the token that is predicted. Examples:\n"
      "  octavo compare mixtral-bf16.8vo mixtral-q4_k.8vo -f wiki.test.raw --chunks 100\n"
      "  octavo compare mixtral.8vo mixtral.8vo --kv-type bf16 -f wiki.test.raw   cost of a cache");
  command->callback([arguments, &action] { action = [arguments] { return compare(*arguments); }; });
}

}  // namespace octavo::cli
