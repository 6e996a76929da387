// What speculation gains on a text that is known beforehand: the session is made to say it, so a
// model of random weights will do. Each round measures off, auto and on in turn, from new sessions.
//   build/release/bin/octavo synth m4.8vo --layers 4 --type q4_k
//   build/release/bin/speculation_bench m4.8vo docs/architecture.md
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "api/session_impl.h"
#include "text/tokenizer.h"

namespace octavo::bench {
namespace {

using Ids = std::vector<int32_t>;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Passes of 1 to 15 new tokens behind `past`.
void print_passes(const Session& base, const Ids& ids, int rounds) {
  fmt::print("rows        ms   x one row\n");
  std::vector<std::vector<double>> taken(16);
  Session session = base.fork();
  const int64_t position = session.position();
  for (int round = 0; round < rounds; ++round) {
    for (size_t rows = 1; rows < taken.size(); ++rows) {
      const auto some = std::span(ids).subspan(rows, rows);
      taken[rows].push_back(
          seconds_of([&] { session.evaluate(some, 0, [](int64_t, std::span<const float>) {}); }));
      session.rewind(position);
    }
  }
  for (size_t rows = 1; rows < taken.size(); ++rows) {
    fmt::print("{:4} {:9.3f} {:11.2f}\n", rows, 1e3 * median(taken[rows]),
               median(taken[rows]) / median(taken[1]));
  }
}

/// Seconds to say `text` behind what `base` holds.
double say(const Session& base, const Ids& text, Speculation speculation, std::string& counts) {
  Session session = base.fork();
  Session::Impl& impl = session.impl();
  impl.lookahead.begin(speculation, session.tokens());
  const double seconds = seconds_of([&] {
    for (size_t i = 0; i < text.size(); ++i) {
      impl.feed_next(text[i], static_cast<int64_t>(text.size() - i));
    }
  });
  counts = fmt::format("{} of {}", impl.lookahead.accepted(), impl.lookahead.drafted());
  return seconds;
}

void print_case(const char* name, const Session& base, const Ids& text, int rounds) {
  constexpr std::pair<const char*, Speculation> kModes[] = {
      {"off", Speculation::kOff}, {"auto", Speculation::kAuto}, {"on", Speculation::kOn}};
  std::vector<std::vector<double>> taken(3), ratio(3);
  std::vector<std::string> counts(3);
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < 3; ++i) {
      taken[i].push_back(say(base, text, kModes[i].second, counts[i]));
      ratio[i].push_back(taken[0].back() / taken[i].back());
    }
  }
  for (size_t i = 0; i < 3; ++i) {
    fmt::print("{:10} {:5} {:9.1f} tok/s  x {:5.3f}  right {}\n", name, kModes[i].first,
               static_cast<double>(text.size()) / median(taken[i]), median(ratio[i]), counts[i]);
  }
}

/// `ids` with every `step`-th token another one.
Ids edited(Ids ids, size_t step, int64_t vocab) {
  std::mt19937_64 random(1);
  for (size_t i = step / 2; i < ids.size(); i += step) {
    ids[i] = static_cast<int32_t>(3 + random() % static_cast<uint64_t>(vocab - 3));
  }
  return ids;
}

int run(const std::string& path, const std::string& text_path, size_t count, int rounds,
        const std::string& only) {
  const Model model = Model::open(path);
  const Ids ids = model.info().has_tokenizer
                      ? model.tokenize(read(text_path), false)
                      : make_tokenizer(read(OCTAVO_TOKENIZER), "")->encode(read(text_path));
  if (ids.size() < 2 * count + 40) {
    fmt::print(stderr, "{} has {} tokens, too few\n", text_path, ids.size());
    return 2;
  }
  Session session(model, {.context = static_cast<int64_t>(3 * count) + 40});
  const Ids first(ids.begin(), ids.begin() + static_cast<int64_t>(count)),
      second(ids.begin() + static_cast<int64_t>(count),
             ids.begin() + static_cast<int64_t>(2 * count));
  session.feed(first);
  const int64_t vocab = model.info().vocab;
  const auto wanted = [&only](const std::string& name) { return only.empty() || name == only; };
  if (wanted("passes")) print_passes(session, ids, rounds);
  if (wanted("new")) print_case("new", session, second, rounds);
  if (wanted("copy")) print_case("copy", session, first, rounds);
  for (const size_t step : {20, 8, 4}) {
    const std::string name = fmt::format("edit{}", step);
    if (wanted(name)) print_case(name.c_str(), session, edited(first, step, vocab), rounds);
  }
  return 0;
}

}  // namespace
}  // namespace octavo::bench

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} MODEL TEXT [TOKENS] [ROUNDS] [passes|new|copy|editN]\n", argv[0]);
    return 2;
  }
  return octavo::bench::run(argv[1], argv[2], argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 100,
                            argc > 4 ? std::atoi(argv[4]) : 5, argc > 5 ? argv[5] : "");
}
