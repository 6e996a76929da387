#include "sampling_options.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>
#include <random>

#include "files.h"
#include "options.h"

namespace octavo::cli {
namespace {

constexpr double kMany = 1e6;

/// Options of one heading in the help.
class Group {
 public:
  Group(CLI::App& command, const char* name) : command_(command), name_(name) {}

  CLI::Option* number(const char* option, float& value, double least, double most,
                      const char* help) {
    return add(command_.add_option(option, value, help), "X", between(least, most));
  }
  CLI::Option* whole(const char* option, int& value, int64_t least, const char* help) {
    return add(command_.add_option(option, value, help), "N", whole_number(least));
  }
  CLI::Option* text(const char* option, std::string& value, const char* type, const char* help) {
    return command_.add_option(option, value, help)->type_name(type)->group(name_);
  }
  CLI::App& command() { return command_; }
  const char* name() const { return name_; }

 private:
  CLI::Option* add(CLI::Option* option, const char* type, const CLI::Validator& check) {
    return option->type_name(type)->check(check)->capture_default_str()->group(name_);
  }

  CLI::App& command_;
  const char* name_;
};

std::optional<std::pair<int32_t, float>> parse_bias(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == text.npos) return {};
  std::pair<int32_t, float> bias;
  const bool parsed = CLI::detail::lexical_cast(text.substr(0, equals), bias.first) &&
                      CLI::detail::lexical_cast(text.substr(equals + 1), bias.second);
  if (!parsed || bias.first < 0 || std::isnan(bias.second) || bias.second == INFINITY) return {};
  return bias;
}

void add_logit_bias(Group& group, std::vector<std::pair<int32_t, float>>& bias) {
  const auto add = [&bias](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) bias.push_back(*parse_bias(text));
  };
  const auto check = [](const std::string& text) {
    return parse_bias(text)
               ? std::string()
               : fmt::format("{} is no ID=BIAS, a token's number and what to add", text);
  };
  group.command()
      .add_option_function<std::vector<std::string>>(
          "--logit-bias", add, "Add to the logit of token ID; -inf forbids it. May be repeated")
      ->type_name("ID=BIAS")
      ->check(CLI::Validator(check, ""))
      ->allow_extra_args(false)
      ->group(group.name());
}

void add_main_options(CLI::App& command, SamplingOptions& sampling) {
  Group group(command, "Sampling");
  group.number("--temp", sampling.temperature, 0, kMany,
               "Temperature: 0 always takes the most likely token, more is more varied");
  group.whole("--top-k", sampling.top_k, 0, "Choose among the K most likely tokens; 0: among all")
      ->type_name("K");
  group.number("--top-p", sampling.top_p, 0, 1,
               "Choose among the most likely tokens that make up this probability; 1: off");
  group.number("--min-p", sampling.min_p, 0, 1,
               "Drop tokens less likely than this share of the most likely one; 0: off");
  command
      .add_option("--seed", sampling.seed, "The same seed gives the same text (default: random)")
      ->type_name("S")
      ->group(group.name());
}

void add_penalties(CLI::App& command, SamplingOptions& sampling) {
  Group group(command, "Against repetition");
  group.number("--repeat-penalty", sampling.repeat_penalty, 0.01, 100,
               "Make recent tokens less likely again; 1: off");
  group.number("--freq-penalty", sampling.frequency_penalty, -100, 100,
               "Off the logit for each time a token is among the recent ones; 0: off");
  group.number("--presence-penalty", sampling.presence_penalty, -100, 100,
               "Off the logit if a token is among the recent ones at all; 0: off");
  group.whole("--repeat-window", sampling.repeat_window, 0,
              "How many tokens are recent for these three");
  group.number("--dry-multiplier", sampling.dry_multiplier, 0, 100,
               "DRY: weaken tokens that go on with a repeated sequence; 0: off, 0.8 is usual");
  group.number("--dry-base", sampling.dry_base, 1, 100,
               "How fast that grows with the sequence's length");
  group.whole("--dry-allowed-length", sampling.dry_allowed_length, 1,
              "Sequences shorter than this may repeat");
  group.whole("--dry-window", sampling.dry_window, 0, "Tokens to look for sequences in; 0: all");
}

void add_further_stages(CLI::App& command, SamplingOptions& sampling) {
  Group group(command, "Sampling, further stages");
  group.number("--typical", sampling.typical_p, 1e-6, 1,
               "Choose among locally typical tokens that make up this probability; 1: off");
  group.number("--xtc-probability", sampling.xtc_probability, 0, 1,
               "How often the top choices are dropped, all but the least likely; 0: off");
  group.number("--xtc-threshold", sampling.xtc_threshold, 1e-6, 1,
               "The probability from which a token is a top choice");
  group.number("--dynatemp-range", sampling.dynatemp_range, 0, kMany,
               "Move the temperature so far up and down by the entropy; 0: off");
  group.number("--dynatemp-exponent", sampling.dynatemp_exponent, 1e-6, 100,
               "How the entropy is bent for that");
  CLI::Option* mirostat =
      command
          .add_flag("--mirostat", sampling.mirostat,
                    "Mirostat 2 in the place of top-k, top-p, min-p, typical and XTC")
          ->group(group.name());
  group
      .number("--mirostat-tau", sampling.mirostat_tau, 1e-6, 100,
              "The surprise of a token to aim at, in bits")
      ->needs(mirostat);
  group
      .number("--mirostat-eta", sampling.mirostat_eta, 1e-6, 1, "How fast mirostat corrects itself")
      ->needs(mirostat);
  add_logit_bias(group, sampling.logit_bias);
}

void add_grammars(CLI::App& command, SamplingOptions& sampling) {
  Group group(command, "Constrained output");
  CLI::Option* grammar = group.text("--grammar", sampling.grammar, "FILE",
                                    "The text must match this grammar, in GBNF");
  group
      .text("--json-schema", sampling.json_schema, "FILE|JSON",
            "The text must be JSON that is valid by this schema; {} is any JSON")
      ->excludes(grammar);
}

/// JSON that stands on the command line itself.
bool is_json(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{';
}

}  // namespace

void add_sampling_options(CLI::App& command, SamplingOptions& sampling) {
  add_main_options(command, sampling);
  add_penalties(command, sampling);
  add_further_stages(command, sampling);
  add_grammars(command, sampling);
}

void add_speculation_option(CLI::App& command, Speculation& speculation) {
  static const std::map<std::string, Speculation> kNames = {
      {"auto", Speculation::kAuto}, {"on", Speculation::kOn}, {"off", Speculation::kOff}};
  const auto check = [](const std::string& text) {
    return kNames.contains(text) ? std::string()
                                 : fmt::format("{} is none of auto, on and off", text);
  };
  command
      .add_option_function<std::string>(
          "--speculate", [&speculation](const std::string& name) { speculation = kNames.at(name); },
          "Guess tokens by what followed the same words before, and check several at once: auto "
          "(the default: while that is faster), on or off. The text is the same")
      ->type_name("WHEN")
      ->check(CLI::Validator(check, ""));
}

void draw_seed(const CLI::App& command, SamplingOptions& sampling) {
  if (command.count("--seed") == 0) sampling.seed = std::random_device{}();
}

void finish_sampling_options(SamplingOptions& sampling) {
  if (!sampling.grammar.empty()) sampling.grammar = read_file(sampling.grammar);
  if (!sampling.json_schema.empty() && !is_json(sampling.json_schema)) {
    sampling.json_schema = read_file(sampling.json_schema);
  }
  Sampler::check(sampling);
}

}  // namespace octavo::cli
