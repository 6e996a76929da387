// How large the inputs of each matrix are, column by column, over a text: the .8cal file.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace octavo {

/// What was measured of one matrix.
struct CalibratedMatrix {
  std::string name;                 ///< of the tensor
  int64_t tokens = 0;               ///< that the model sent through it
  int64_t forced = 0;               ///< and others that an expert was given to reach the floor
  std::vector<float> mean_squares;  ///< [cols] of its input
};

class Calibration {
 public:
  /// `matrices` are those of matrices_of(config), in that order. `text_hash` is the XXH3-64 of the
  /// ids of the text.
  Calibration(const ModelConfig& config, int64_t tokens, uint64_t text_hash,
              std::vector<CalibratedMatrix> matrices);

  /// Reads and checks a file. Throws Error.
  static Calibration load(const std::string& path);
  /// The same from bytes; `name` stands in messages.
  static Calibration parse(std::span<const std::byte> bytes, const std::string& name);
  /// Throws Error(kIo). Nothing is left under the name on a failure.
  void save(const std::string& path) const;

  const ModelConfig& config() const { return config_; }
  int64_t tokens() const { return tokens_; }  ///< of the text
  uint64_t text_hash() const { return text_hash_; }
  const std::vector<CalibratedMatrix>& matrices() const { return matrices_; }

  /// Null when there is nothing of this tensor.
  const CalibratedMatrix* find(std::string_view name) const;
  /// Mean squares of the tensor's input [cols]; empty when there is nothing of it.
  std::span<const float> columns(std::string_view name) const;
  /// XXH3-64 of the whole file.
  uint64_t checksum() const;
  /// Throws Error(kInvalidArgument) when a model of this config has other matrices. `name` of the
  /// file and `model` stand in the message.
  void check_fits(const ModelConfig& model_config, const std::string& name,
                  const std::string& model) const;

 private:
  std::string bytes() const;

  ModelConfig config_;
  int64_t tokens_;
  uint64_t text_hash_;
  std::vector<CalibratedMatrix> matrices_;
  std::map<std::string, size_t, std::less<>> index_;
};

/// A matrix that inputs are measured of.
struct MatrixShape {
  std::string name;
  int64_t cols;
};
/// Every matrix but the routers, which stay f32, and an embedding that is only a table.
std::vector<MatrixShape> matrices_of(const ModelConfig& config);

}  // namespace octavo
