#include "text/grammar/grammar_stage.h"

#include "core/error.h"
#include "text/grammar/gbnf_parser.h"
#include "text/grammar/json_schema.h"
#include "text/piece_stream.h"

namespace octavo {
namespace {

/// Masks kept: 4 KB each for a vocabulary of 32,000.
constexpr size_t kMaxMasks = 512;

bool has(const TokenMask& mask, int32_t id) {
  const size_t word = static_cast<size_t>(id) / 64;
  return word < mask.size() && (mask[word] >> (id % 64) & 1) != 0;
}

}  // namespace

std::shared_ptr<const Grammar> requested_grammar(const SamplingOptions& options) {
  const auto compile = [](std::string_view text, std::string_view source) {
    return std::make_shared<const Grammar>(compile_grammar(parse_gbnf(text, source), source));
  };
  if (!options.grammar.empty()) return compile(options.grammar, "the grammar");
  if (options.json_schema.empty()) return nullptr;
  return compile(json_schema_to_gbnf(options.json_schema), "the JSON schema's grammar");
}

TokenMask allowed_tokens(GrammarMatcher& matcher, GrammarMatcher::State state,
                         const TokenTrie& trie) {
  TokenMask mask((static_cast<size_t>(trie.vocab()) + 63) / 64);
  const std::vector<TokenTrie::Node>& nodes = trie.nodes();
  GrammarMatcher::State states[257] = {state};  // [depth]: before the byte of that depth
  for (size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    const GrammarMatcher::State next = matcher.next(states[node.depth], node.byte);
    if (next == GrammarMatcher::kDead) {
      i = static_cast<size_t>(node.end);
      continue;
    }
    states[node.depth + 1] = next;
    for (int32_t token = node.first; token < node.last; ++token) {
      const auto id = static_cast<size_t>(trie.ids()[static_cast<size_t>(token)]);
      mask[id / 64] |= uint64_t{1} << (id % 64);
    }
    ++i;
  }
  return mask;
}

GrammarStage::GrammarStage(std::shared_ptr<const Grammar> grammar, const Tokenizer& tokenizer,
                           const TokenTries& tries, int32_t eos)
    : matcher_(std::move(grammar)), tokenizer_(tokenizer), tries_(tries), eos_(eos) {}

const TokenMask& GrammarStage::mask() {
  if (at_start_) return start_mask_ = allowed_tokens(matcher_, state_, tries_.get(true));
  const auto known = masks_.find(state_);
  if (known != masks_.end()) return known->second;
  if (matcher_.is_large()) {
    masks_.clear();
    state_ = matcher_.forget_all_but(state_);
  }
  if (masks_.size() >= kMaxMasks) masks_.clear();
  return masks_[state_] = allowed_tokens(matcher_, state_, tries_.get(false));
}

void GrammarStage::apply(Candidates& candidates) {
  static const TokenMask kNone;
  const TokenMask& allowed = ended_ ? kNone : mask();
  const bool may_end = ended_ || matcher_.may_end(state_);
  candidates.keep_if([&](const Candidate& candidate, size_t) {
    return candidate.id == eos_ ? may_end : has(allowed, candidate.id);
  });
  if (!candidates.empty()) return;
  if (may_end) {
    fail(ErrorCode::kUnsupported,
         "the grammar's text is complete, and this model has no token for the end");
  }
  fail(ErrorCode::kUnsupported, "no token of this model can go on with the grammar from here");
}

void GrammarStage::chosen(int32_t id, double /*probability*/) {
  if (id == eos_) {
    ended_ = true;
    return;
  }
  for (const char byte : tries_.get(at_start_).text(id)) {
    state_ = matcher_.next(state_, static_cast<uint8_t>(byte));
  }
}

void GrammarStage::accept(int32_t id) {
  if (!at_start_ || id < 0 || id >= tokenizer_.size()) return;
  const PieceKind kind = tokenizer_.piece(id).kind;
  // Control tokens are no text, and neither are spaces where all in front are taken away.
  at_start_ = kind == PieceKind::kControl ||
              (kind == PieceKind::kText && tokenizer_.leading_space() == LeadingSpace::kDropAll &&
               PieceStream(tokenizer_).add(id).empty());
}

}  // namespace octavo
