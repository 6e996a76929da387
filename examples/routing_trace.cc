// Which experts read a text: routing_trace MODEL.8vo TEXT
//
// A mixture's router sends every token, in every layer, to a few of the layer's experts. This
// prints for each token whom each layer chose and with what weight, then how often each expert of a
// layer was chosen.
#include <cmath>
#include <iomanip>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/octavo.hpp"

namespace {

struct Choice {
  int32_t expert;
  float weight;
};

/// What the routers decided: choices[position][layer], best first.
using Trace = std::vector<std::vector<std::vector<Choice>>>;

Trace trace(const octavo::Model& model, std::span<const int32_t> ids) {
  Trace choices(ids.size(),
                std::vector<std::vector<Choice>>(static_cast<size_t>(model.info().layers)));
  octavo::Session session(model);
  session.trace_routing([&choices](const octavo::RoutedToken& routed) {
    // The spans last for this call only, so they are copied.
    auto& here = choices[static_cast<size_t>(routed.position)][static_cast<size_t>(routed.layer)];
    for (size_t i = 0; i < routed.experts.size(); ++i) {
      here.push_back({routed.experts[i], routed.weights[i]});
    }
  });
  session.feed(ids);
  return choices;
}

/// A token's text on one line; control tokens have none.
std::string shown(const octavo::Model& model, int32_t id) {
  std::string text = model.detokenize(std::span(&id, 1));
  for (size_t at = 0; (at = text.find('\n', at)) != text.npos; at += 2) text.replace(at, 1, "\\n");
  return text;
}

void print_tokens(const octavo::Model& model, std::span<const int32_t> ids, const Trace& trace) {
  for (size_t position = 0; position < ids.size(); ++position) {
    std::cout << "token " << position << " \"" << shown(model, ids[position]) << "\"\n";
    for (size_t layer = 0; layer < trace[position].size(); ++layer) {
      std::cout << "  layer " << std::setw(2) << layer << ':';
      for (const Choice& choice : trace[position][layer]) {
        std::cout << "   " << choice.expert << ' ' << std::fixed << std::setprecision(2)
                  << choice.weight;
      }
      std::cout << '\n';
    }
  }
}

void print_histograms(const octavo::ModelInfo& info, const Trace& trace) {
  for (size_t layer = 0; layer < static_cast<size_t>(info.layers); ++layer) {
    std::vector<size_t> counts(static_cast<size_t>(info.experts));
    size_t total = 0;
    for (const auto& token : trace) {
      for (const Choice& choice : token[layer]) {
        ++counts[static_cast<size_t>(choice.expert)];
        ++total;
      }
    }
    std::cout << "layer " << layer << '\n';
    for (size_t expert = 0; expert < counts.size(); ++expert) {
      constexpr double kWidth = 60;  // of the bar of an expert that is always chosen
      const double share = static_cast<double>(counts[expert]) / static_cast<double>(total);
      std::cout << "  expert " << expert << ' ' << std::setw(5) << counts[expert] << ' '
                << std::string(static_cast<size_t>(std::lround(share * kWidth)), '#') << '\n';
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const bool is_help = argc == 2 && argv[1] == std::string_view("--help");
  if (is_help || argc != 3) {
    (is_help ? std::cout : std::cerr)
        << "usage: routing_trace MODEL.8vo TEXT\n"
           "Prints which experts each layer chooses for each token of TEXT, and a histogram.\n";
    return is_help ? 0 : 2;
  }
  const auto model = octavo::Model::open(argv[1]);
  if (model.info().experts == 0) {
    std::cerr << "routing_trace: " << argv[1] << " is no mixture of experts\n";
    return 1;
  }
  const std::vector<int32_t> ids = model.tokenize(argv[2]);
  const Trace choices = trace(model, ids);
  print_tokens(model, ids, choices);
  print_histograms(model.info(), choices);
} catch (const octavo::Error& error) {
  std::cerr << "routing_trace: " << error.what() << '\n';
  return 1;
}
