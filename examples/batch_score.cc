// How likely each line of a file is: batch_score MODEL.8vo FILE [PREFIX]
//
// Several threads share one model, each with sessions of its own. PREFIX stands before every line
// and is computed once: a fork of the session that holds it starts from there, and shares its
// memory.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "octavo/octavo.hpp"

namespace {

struct Score {
  double log_likelihood = 0;  ///< natural logarithm
  size_t tokens = 0;
  std::string error;  ///< why there is none; empty: there is

  double perplexity() const { return std::exp(-log_likelihood / static_cast<double>(tokens)); }
};

/// log p(id) by the logits [vocab] of the position before it.
double log_probability(std::span<const float> logits, int32_t id) {
  return octavo::Sampler::logprobs(logits, id, 0).front().logprob;
}

/// A session that holds the prefix, and what it says about the first token after it.
struct Start {
  octavo::Session session;
  std::vector<float> logits;  ///< [vocab]

  Start fork() const { return {session.fork(), logits}; }
};

Start start_after(const octavo::Model& model, const std::string& prefix) {
  octavo::Session session(model, {.threads = 1});
  const std::span<const float> logits = session.feed(model.tokenize(prefix));  // with BOS
  return {std::move(session), {logits.begin(), logits.end()}};
}

/// The sum over the line's tokens of their log probability, given the prefix and those before them.
Score score(const Start& start, const std::string& line) {
  Score result;
  octavo::Session session = start.session.fork();
  const std::vector<int32_t> ids = session.model().tokenize(line, /*bos=*/false);
  if (ids.empty()) return result;
  result.tokens = ids.size();
  result.log_likelihood = log_probability(start.logits, ids[0]);
  // Logits after ids[index] are about ids[index + 1]; after the last one nothing is asked.
  session.evaluate(ids, 0, [&](int64_t index, std::span<const float> logits) {
    const auto next = static_cast<size_t>(index) + 1;
    if (next < ids.size()) result.log_likelihood += log_probability(logits, ids[next]);
  });
  return result;
}

/// Takes lines from a common counter until there are none.
void work(const Start& start, const std::vector<std::string>& lines, std::atomic<size_t>& next_line,
          std::vector<Score>& scores) {
  for (size_t i = next_line++; i < lines.size(); i = next_line++) {
    try {
      scores[i] = score(start, lines[i]);
    } catch (const octavo::Error& error) {  // too long for the context: this line's trouble alone
      scores[i].error = error.what();
    }
  }
}

std::vector<Score> score_all(const octavo::Model& model, const std::string& prefix,
                             const std::vector<std::string>& lines) {
  const Start start = start_after(model, prefix);
  std::vector<Score> scores(lines.size());
  std::atomic<size_t> next_line = 0;
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    // A session is for one thread at a time, also to be forked: each worker gets a fork to fork.
    workers.emplace_back(
        [own = start.fork(), &lines, &next_line, &scores] { work(own, lines, next_line, scores); });
  }
  for (std::jthread& worker : workers) worker.join();
  return scores;
}

std::vector<std::string> lines_of(const char* path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(std::string("cannot open ") + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// Whether all lines have a score.
bool print(const std::vector<std::string>& lines, const std::vector<Score>& scores) {
  bool are_all_there = true;
  std::cout << "line\ttokens\tlog-likelihood\tperplexity\ttext\n" << std::fixed;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Score& each = scores[i];
    if (!each.error.empty()) {
      std::cerr << "batch_score: line " << i + 1 << ": " << each.error << '\n';
      are_all_there = false;
    } else if (each.tokens > 0) {  // nothing is to be said of an empty line
      std::cout << i + 1 << '\t' << each.tokens << '\t' << std::setprecision(4)
                << each.log_likelihood << '\t' << std::setprecision(3) << each.perplexity() << '\t'
                << lines[i] << '\n';
    }
  }
  return are_all_there;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool is_help = argc == 2 && argv[1] == std::string_view("--help");
  if (is_help || argc < 3 || argc > 4) {
    (is_help ? std::cout : std::cerr)
        << "usage: batch_score MODEL.8vo FILE [PREFIX]\n"
           "Prints the log-likelihood and the perplexity of each line of FILE after PREFIX.\n";
    return is_help ? 0 : 2;
  }
  const auto model = octavo::Model::open(argv[1]);
  const std::vector<std::string> lines = lines_of(argv[2]);
  return print(lines, score_all(model, argc > 3 ? argv[3] : "", lines)) ? 0 : 1;
} catch (const std::exception& error) {  // octavo::Error is one
  std::cerr << "batch_score: " << error.what() << '\n';
  return 1;
}
