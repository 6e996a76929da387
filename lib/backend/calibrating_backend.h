// A Backend that passes every op on to another one and sums the squares of what each matrix is
// multiplied with, expert by expert.
#pragma once

#include <unordered_map>
#include <vector>

#include "backend/forwarding_backend.h"

namespace octavo {

/// Of the inputs of one matrix.
struct ColumnSums {
  std::vector<double> squares;  ///< [cols]
  int64_t rows = 0;             ///< rows summed that the model itself sends here
  int64_t forced = 0;           ///< and others
};

/// A row that was not sent to an expert, by how near it came to it.
struct NearMiss {
  int64_t rank = 0;  ///< of the expert among the row's logits; top_k is the next best
  float margin = 0;  ///< its logit below that of the last expert chosen, <= 0
  int64_t row = 0;   ///< number of the row in the text

  bool is_nearer_than(const NearMiss& other) const;
};

/// What is gathered, by the address of the weight; experts by their w1.
struct CalibrationRecord {
  std::unordered_map<const Weight*, ColumnSums> sums;
  int64_t most_misses = 0;  ///< kept for each expert
  /// The nearest rows of each expert; a heap, the farthest of them in front.
  std::unordered_map<const Weight*, std::vector<NearMiss>> misses;

  int64_t next_row = 0;  ///< number in the text of the row that is embedded next
  /// Nothing is summed but the rows of `wanted`, which go to these experts besides their own.
  bool is_forcing = false;
  std::unordered_map<const Weight*, std::vector<int64_t>> wanted;  ///< row numbers, ascending
};

class CalibratingBackend final : public ForwardingBackend {
 public:
  /// `inner` takes inputs as wide as limits.ffn_dim. Adds to `record`, which must outlive it.
  CalibratingBackend(std::unique_ptr<Backend> inner, const BackendLimits& limits,
                     CalibrationRecord& record);

  void embed(const Weight& table, std::span<const int32_t> ids, Activation& out) override;
  void matmul(const Activation& x, int64_t first, int64_t rows,
              std::span<const Projection> projections) override;
  void moe_ffn(const Activation& x, int64_t rows, const Weight& router,
               std::span<const Expert> experts, int64_t top_k, Activation& out,
               Routing* routing) override;
  void ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) override;

 private:
  /// A row of a batch on its way through an expert.
  struct Use {
    int64_t row;
    float weight;
    bool is_summed;
  };

  /// Both need all of x on the host in x_.
  void route(const Activation& x, int64_t rows, const Weight& router, int64_t top_k);
  void note_misses(std::span<const Expert> experts, int64_t top_k);
  /// Appends to uses_ the rows of the batch that are wanted for this expert.
  void add_wanted(const Expert& expert, int64_t rows);
  /// Adds weight * expert(row) of each of uses_ to out_, and their inputs to the sums.
  void run_expert(const Expert& expert, int64_t dim);
  /// values [uses, cols]; adds the rows that count.
  void sum_uses(const Weight& weight, const std::vector<float>& values);
  void read_all(const Activation& x, int64_t first, int64_t rows, std::vector<float>& host);
  /// Made at its first use, when its width is known.
  Activation& scratch(ActivationPtr& activation, int64_t cols);

  const BackendLimits limits_;
  CalibrationRecord& record_;
  int64_t first_row_ = 0;         // number in the text of the batch's first row
  Routing routing_;               // of the last call
  std::vector<float> x_, out_;    // [rows, dim]
  std::vector<Use> uses_;         // of one expert
  std::vector<float> gathered_;   // [uses, dim]
  std::vector<float> gate_, up_;  // [uses, ffn_dim]
  ActivationPtr logits_, in_, hidden_, above_, down_;
};

/// Passes everything on to `inner`; what its backends see is added to `record`. Both must outlive
/// it and them.
class CalibratingDevice final : public ForwardingDevice {
 public:
  CalibratingDevice(Device& inner, CalibrationRecord& record)
      : ForwardingDevice(inner), record_(record) {}
  std::unique_ptr<Backend> backend(const BackendLimits& limits) override;

 private:
  CalibrationRecord& record_;
};

}  // namespace octavo
