// What the fuzzers of grammars feed, and what must hold for anything that is accepted.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/error.hpp"
#include "text/grammar/gbnf_parser.h"
#include "text/grammar/grammar.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/matcher.h"

namespace octavo::test {

inline void expect_of_grammar(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);  // not an octavo::Error: the fuzzer reports it
}

inline void check_message(const Error& error) {
  expect_of_grammar(std::strchr(error.what(), '\n') == nullptr, "a message of many lines");
}

/// A grammar, and behind the first zero byte a text for it.
inline void fuzz_gbnf(std::span<const uint8_t> input) {
  const std::string_view bytes(reinterpret_cast<const char*>(input.data()), input.size());
  const size_t end = std::min(bytes.find('\0'), bytes.size());
  try {
    const auto grammar =
        std::make_shared<const Grammar>(compile_grammar(parse_gbnf(bytes.substr(0, end))));
    GrammarMatcher matcher(grammar);
    GrammarMatcher::State state = GrammarMatcher::kStart;
    for (const char byte : bytes.substr(std::min(end + 1, bytes.size()))) {
      const GrammarMatcher::State next = matcher.next(state, static_cast<uint8_t>(byte));
      if (next == GrammarMatcher::kDead) break;
      const bool may_end = matcher.may_end(next);
      state = byte % 2 == 0 ? matcher.forget_all_but(next) : next;
      expect_of_grammar(matcher.may_end(state) == may_end, "an end that was forgotten");
    }
  } catch (const Error& error) {
    check_message(error);
  }
}

/// Random bytes that `grammar` allows, until it must end or some hundred are there; wherever it may
/// end, the text is JSON.
inline void check_texts(const std::shared_ptr<const Grammar>& grammar, uint64_t seed) {
  std::mt19937_64 random(seed);
  GrammarMatcher matcher(grammar);
  GrammarMatcher::State state = GrammarMatcher::kStart;
  std::string text;
  while (text.size() < 300) {
    if (matcher.may_end(state)) {
      expect_of_grammar(nlohmann::json::accept(text), "a text that is no JSON");
    }
    std::vector<uint8_t> allowed;
    for (int byte = 0; byte < 256; ++byte) {
      if (matcher.next(state, static_cast<uint8_t>(byte)) != GrammarMatcher::kDead) {
        allowed.push_back(static_cast<uint8_t>(byte));
      }
    }
    if (allowed.empty()) break;
    const uint8_t byte = allowed[random() % allowed.size()];
    text += static_cast<char>(byte);
    state = matcher.next(state, byte);
  }
}

/// A schema. What is made of it must be a grammar, of JSON texts alone.
inline void fuzz_json_schema(std::span<const uint8_t> input) {
  const std::string_view schema(reinterpret_cast<const char*>(input.data()), input.size());
  std::string gbnf;
  try {
    gbnf = json_schema_to_gbnf(schema);
  } catch (const Error& error) {
    check_message(error);
    return;
  }
  std::shared_ptr<const Grammar> grammar;
  try {
    grammar = std::make_shared<const Grammar>(compile_grammar(parse_gbnf(gbnf)));
  } catch (const Error& error) {
    check_message(error);
    // Repetitions that are out of reach are the one thing left to the grammar.
    const std::string_view message = error.what();
    bool is_size = false;
    for (const char* part : {"too large", "are the most", "repetition", "{...}", "'}' expected"}) {
      is_size = is_size || message.find(part) != message.npos;
    }
    expect_of_grammar(is_size, "a schema whose grammar is faulty");
    return;
  }
  try {
    check_texts(grammar, input.size());
  } catch (const Error& error) {
    check_message(error);
  }
}

}  // namespace octavo::test
