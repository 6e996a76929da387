#include "text/grammar/grammar.h"

#include <map>
#include <tuple>

#include "core/error.h"
#include "text/grammar/left_recursion.h"

namespace octavo {
namespace {

/// Bounds the memory (12 bytes a node) and the time of compiling.
constexpr size_t kMaxNodes = 1 << 20;

class Compiler {
 public:
  Compiler(const GrammarText& text, std::string_view source) : text_(text), source_(source) {}

  Grammar compile() {
    add(Grammar::Kind::kReturn, 0, 0);
    for (const CodePointSet& set : text_.classes) grammar_.byte_sets.push_back(byte_set(set));
    grammar_.entries.resize(text_.rules.size());
    for (size_t i = 0; i < text_.rules.size(); ++i) {
      grammar_.entries[i] = emit(text_.rules[i].body, Grammar::kReturnNode);
    }
    grammar_.root = grammar_.entries[static_cast<size_t>(text_.root)];
    classify_bytes();
    return std::move(grammar_);
  }

 private:
  int32_t add(Grammar::Kind kind, int32_t a, int32_t b) {
    grammar_.nodes.push_back({kind, a, b});
    return static_cast<int32_t>(grammar_.nodes.size()) - 1;
  }

  /// The first bytes of a class's characters, and nodes for the bytes that follow.
  std::vector<Grammar::Bytes> byte_set(const CodePointSet& set) {
    std::vector<Grammar::Bytes> result;
    for (const ByteSequence& sequence : utf8_sequences(set)) {
      int32_t tail = Grammar::kReturnNode;
      for (int i = sequence.length - 1; i > 0; --i) {
        const auto [first, last] = sequence.bytes[static_cast<size_t>(i)];
        tail = continuation(first, last, tail);
      }
      result.push_back({sequence.bytes[0].first, sequence.bytes[0].last, tail});
    }
    return result;
  }

  /// The one node for such a byte with `next` behind it; classes share them.
  int32_t continuation(uint8_t first, uint8_t last, int32_t next) {
    const auto [entry, is_new] = continuations_.try_emplace({first, last, next}, 0);
    if (is_new) {
      // Its set goes behind those of the classes, whose numbers are taken already.
      const size_t set = text_.classes.size() + tails_.size();
      tails_.push_back({{first, last, Grammar::kReturnNode}});
      entry->second = add(Grammar::Kind::kBytes, static_cast<int32_t>(set), next);
    }
    return entry->second;
  }

  /// Nodes for `expression` with `next` behind it; the first of them.
  int32_t emit(const Expression& expression, int32_t next) {
    count_step();
    switch (expression.kind) {
      case Expression::Kind::kClass:
        return add(Grammar::Kind::kBytes, expression.index, next);
      case Expression::Kind::kRule:
        return add(Grammar::Kind::kCall, expression.index, next);
      case Expression::Kind::kSequence:
        for (auto part = expression.parts.rbegin(); part != expression.parts.rend(); ++part) {
          next = emit(*part, next);
        }
        return next;
      case Expression::Kind::kAlternates:
        return emit_alternates(expression, next);
      case Expression::Kind::kRepeat:
        return emit_repeat(expression, next);
    }
    return next;
  }

  int32_t emit_alternates(const Expression& expression, int32_t next) {
    int32_t first = emit(expression.parts.back(), next);
    for (size_t i = expression.parts.size() - 1; i-- > 0;) {
      const int32_t part = emit(expression.parts[i], next);
      first = add(Grammar::Kind::kSplit, part, first);
    }
    return first;
  }

  int32_t emit_repeat(const Expression& expression, int32_t next) {
    Expression call;
    const Expression& item = item_of(expression, call);
    if (expression.most == Expression::kUnbounded) {
      const int32_t loop = add(Grammar::Kind::kSplit, 0, next);
      const int32_t body = emit(item, loop);
      grammar_.nodes[static_cast<size_t>(loop)].a = body;
      next = loop;
    } else {
      const int32_t end = next;
      for (int i = expression.least; i < expression.most; ++i) {
        const int32_t body = emit(item, next);
        next = add(Grammar::Kind::kSplit, body, end);
      }
    }
    for (int i = 0; i < expression.least; ++i) next = emit(item, next);
    return next;
  }

  /// What is repeated; where copies would be large, `call` of a rule made for it. Repetitions of
  /// repetitions would multiply otherwise.
  const Expression& item_of(const Expression& expression, Expression& call) {
    const Expression& item = expression.parts.front();
    const bool is_small =
        item.kind == Expression::Kind::kClass || item.kind == Expression::Kind::kRule;
    const int copies =
        expression.most == Expression::kUnbounded ? expression.least + 1 : expression.most;
    if (is_small || copies <= 1) return item;
    const int32_t entry = emit(item, Grammar::kReturnNode);
    grammar_.entries.push_back(entry);
    call = {.kind = Expression::Kind::kRule,
            .index = static_cast<int>(grammar_.entries.size()) - 1};
    return call;
  }

  void count_step() {
    if (++steps_ <= kMaxNodes && grammar_.nodes.size() <= kMaxNodes) return;
    fail(ErrorCode::kInvalidArgument, "{} is too large: its repetitions come to more than {} parts",
         source_, kMaxNodes);
  }

  void classify_bytes() {
    grammar_.byte_sets.insert(grammar_.byte_sets.end(), tails_.begin(), tails_.end());
    std::array<bool, 257> begins = {};  // a set begins, or ended before, this byte
    for (const auto& set : grammar_.byte_sets) {
      for (const Grammar::Bytes& bytes : set) {
        begins[bytes.first] = true;
        begins[bytes.last + size_t{1}] = true;
      }
    }
    int current = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (byte > 0 && begins[byte]) ++current;
      grammar_.byte_class[byte] = static_cast<uint8_t>(current);
    }
    grammar_.byte_classes = current + 1;
  }

  const GrammarText& text_;
  std::string_view source_;
  Grammar grammar_;
  std::map<std::tuple<uint8_t, uint8_t, int32_t>, int32_t> continuations_;
  std::vector<std::vector<Grammar::Bytes>> tails_;  ///< sets of continuation nodes
  size_t steps_ = 0;
};

}  // namespace

Grammar compile_grammar(const GrammarText& text, std::string_view source) {
  Grammar grammar = Compiler(text, source).compile();
  const std::vector<bool> recursive = left_recursive_rules(grammar);
  for (size_t i = 0; i < text.rules.size(); ++i) {
    if (!recursive[i]) continue;
    fail(ErrorCode::kInvalidArgument,
         "{}, line {}: rule '{}' comes back to itself before it has matched a character; let it "
         "begin with something else",
         source, text.rules[i].line, text.rules[i].name);
  }
  return grammar;
}

}  // namespace octavo
