// A grammar as it is written: rules over characters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/grammar/code_points.h"

namespace octavo {

struct Expression {
  enum class Kind : uint8_t {
    kClass,       ///< one character of classes[index]
    kRule,        ///< rules[index]
    kSequence,    ///< all of `parts`
    kAlternates,  ///< one of `parts`
    kRepeat,      ///< parts[0], `least` to `most` times
  };
  static constexpr int kUnbounded = -1;

  Kind kind = Kind::kSequence;
  int index = -1;
  int least = 1, most = 1;
  std::vector<Expression> parts = {};
};

struct GrammarRule {
  std::string name;
  int line = 0;  ///< where it is defined, for messages
  Expression body;
};

struct GrammarText {
  std::vector<GrammarRule> rules;
  std::vector<CodePointSet> classes;
  int root = 0;  ///< the rule that the whole text must match
};

}  // namespace octavo
