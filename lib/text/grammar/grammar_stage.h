// The stage that leaves only tokens with which the text still matches a grammar.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "octavo/octavo.hpp"
#include "text/grammar/matcher.h"
#include "text/grammar/token_trie.h"
#include "text/sampling/stage.h"

namespace octavo {

/// What SamplingOptions::grammar or json_schema says; null when neither is given. Throws Error.
std::shared_ptr<const Grammar> requested_grammar(const SamplingOptions& options);

/// A bit for each token of the vocabulary.
using TokenMask = std::vector<uint64_t>;

/// The tokens of `trie` whose whole text may follow on `state`.
TokenMask allowed_tokens(GrammarMatcher& matcher, GrammarMatcher::State state,
                         const TokenTrie& trie);

class GrammarStage final : public SamplerStage {
 public:
  /// `eos`: -1 for none. The tokenizer and the tries must outlive the stage.
  GrammarStage(std::shared_ptr<const Grammar> grammar, const Tokenizer& tokenizer,
               const TokenTries& tries, int32_t eos);

  /// Throws Error(kUnsupported) when no token is allowed, which takes a vocabulary without some of
  /// the grammar's characters, or a grammar without an end.
  void apply(Candidates& candidates) override;
  void accept(int32_t id) override;
  void chosen(int32_t id, double probability) override;

  /// Text comes before the first token.
  void continue_text() { at_start_ = false; }
  /// No token may follow but EOS.
  bool finished() const { return ended_ || matcher_.must_end(state_); }

 private:
  const TokenMask& mask();

  GrammarMatcher matcher_;
  const Tokenizer& tokenizer_;
  const TokenTries& tries_;
  int32_t eos_;
  GrammarMatcher::State state_ = GrammarMatcher::kStart;
  bool at_start_ = true;                                        ///< as PieceStream's
  bool ended_ = false;                                          ///< by EOS
  std::unordered_map<GrammarMatcher::State, TokenMask> masks_;  ///< without at_start_
  TokenMask start_mask_;
};

}  // namespace octavo
