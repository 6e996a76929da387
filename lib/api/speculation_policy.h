// How many drafted tokens are worth computing along: from what was measured, never from a clock of
// its own.
//
// A pass of r rows costs T(r) and brings 1 + a1 + a1 a2 + ... tokens, where ai is the probability
// that the i-th drafted token is accepted. The best r has the most tokens a second. T is measured;
// where it is not yet, it follows from the experts that r rows touch, which is what makes rows of a
// mixture dear. ai is measured for each length of the match behind it, with and without a draft:
// what the lookup says is compared with every token that comes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace octavo {

/// What the cost of a pass depends on before one was measured.
struct PassShape {
  int64_t layers = 1;
  int64_t experts = 0, experts_per_token = 0;  ///< 0: a dense model
  double expert_share = 0;  ///< of the weights that one token reads, that are experts'
  int64_t most_rows = 1;    ///< of a pass: the newest token and the drafted ones
};

class SpeculationPolicy {
 public:
  explicit SpeculationPolicy(const PassShape& shape);

  /// Drafted tokens to compute along, 0 to `most`, after a match of `match` tokens (0: none). None
  /// before a pass of one row was measured.
  int64_t choose(int64_t match, int64_t most);

  /// A lookup matched `match` tokens; the token that it gave did or did not come.
  void note_token(int64_t match, bool came);
  /// A pass of `rows` took so long and computed with so many experts, summed over the layers.
  void note_pass(int64_t rows, double seconds, int64_t experts);

  /// Probability that the token which a match of `match` tokens gives is the next.
  double acceptance(int64_t match) const;
  /// Time of a pass of `rows` beside that of a single row.
  double cost(int64_t rows) const;

  /// What a draft must promise to be worth it, and the share of the time that may go into finding
  /// out whether drafts have become cheaper.
  static constexpr double kLeastGain = 1.05, kProbeShare = 0.01;

 private:
  /// Matches of 2, 3, 4-5, 6-8, 9-15 and more tokens.
  static constexpr size_t kClasses = 6;
  static size_t class_of(int64_t match);

  struct Acceptance {
    double came = 0, all = 0;
  };
  struct Cost {
    double ratio = 0;  ///< running mean
    int64_t passes = 0;
  };
  struct Best {
    int64_t drafted = 0;
    double gain = 1;  ///< tokens in the time of one
  };
  /// Experts that `rows` touch, all layers together.
  double expected_experts(int64_t rows) const;
  /// The cost as the experts alone have it.
  double assumed_cost(int64_t rows) const;
  template <class CostOf>
  Best best(int64_t match, int64_t most, const CostOf& cost_of) const;

  PassShape shape_;
  std::array<Acceptance, kClasses> acceptance_;
  std::vector<Cost> costs_;    ///< [most_rows + 1]
  double single_seconds_ = 0;  ///< of a pass of one row; 0: none yet
  double overlap_ = 1;         ///< experts that further rows add, beside rows that choose at random
  double unspent_ = 0;         ///< time that probes may take
};

}  // namespace octavo
