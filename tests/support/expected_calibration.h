// What a calibration must find, from the reference model: per tensor, per token.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "support/matrix.h"
#include "support/reference_model.h"

namespace octavo::test {

struct ExpectedInputs {
  Matrix sums;  ///< of squares [1, cols]
  int64_t tokens = 0, forced = 0;

  Matrix mean() const { return sums / static_cast<double>(tokens + forced); }
};

class ExpectedCalibration {
 public:
  ExpectedCalibration(const ReferenceModel& model, const ModelConfig& config);

  /// A sequence of its own.
  void add(std::span<const int32_t> ids);
  /// Gives every expert with fewer than `least` tokens the nearest others; returns how many such
  /// experts there are.
  int64_t force(int64_t least);

  /// By tensor name; experts that saw nothing are there with zero sums.
  const std::map<std::string, ExpectedInputs>& inputs() const { return inputs_; }

 private:
  void add_rows(const std::string& tensor, const Matrix& rows);
  void add_to_expert(int64_t layer, int64_t expert, const Matrix& row, bool is_forced);

  const ReferenceModel& model_;
  const ModelConfig config_;
  std::map<std::string, ExpectedInputs> inputs_;
  std::vector<ReferenceTrace> traces_;
};

}  // namespace octavo::test
