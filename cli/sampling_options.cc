#include "sampling_options.h"

#include <random>

#include "options.h"

namespace octavo::cli {

void add_sampling_options(CLI::App& command, SamplingOptions& sampling) {
  constexpr double kMany = 1e6;
  const auto number = [&command](const char* name, float& value, const char* help, double least,
                                 double most) {
    command.add_option(name, value, help)
        ->type_name("X")
        ->check(between(least, most))
        ->capture_default_str();
  };
  number("--temp", sampling.temperature,
         "Temperature: 0 always takes the most likely token, more is more varied", 0, kMany);
  command
      .add_option("--top-k", sampling.top_k, "Choose among the K most likely tokens; 0: among all")
      ->type_name("K")
      ->check(whole_number(0))
      ->capture_default_str();
  number("--top-p", sampling.top_p,
         "Choose among the most likely tokens that make up this probability; 1: off", 0, 1);
  number("--min-p", sampling.min_p,
         "Drop tokens less likely than this share of the most likely one; 0: off", 0, 1);
  number("--repeat-penalty", sampling.repeat_penalty,
         "Make the last 64 tokens less likely again; 1: off", 0.01, 100);
  command
      .add_option("--seed", sampling.seed, "The same seed gives the same text (default: random)")
      ->type_name("S");
}

void draw_seed(const CLI::App& command, SamplingOptions& sampling) {
  if (command.count("--seed") == 0) sampling.seed = std::random_device{}();
}

}  // namespace octavo::cli
