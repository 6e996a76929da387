#include "convert/importance.h"

#include <numeric>

namespace octavo {
namespace {

/// Tokens that count as seen with all columns alike.
constexpr double kEvenTokens = 4;

}  // namespace

std::vector<float> importance_of(const CalibratedMatrix* matrix) {
  if (matrix == nullptr) return {};
  const std::vector<float>& squares = matrix->mean_squares;
  const double mean =
      std::accumulate(squares.begin(), squares.end(), 0.0) / static_cast<double>(squares.size());
  if (!(mean > 0)) return {};
  const auto seen = static_cast<double>(matrix->tokens + matrix->forced);
  std::vector<float> weights;
  for (const float square : squares) {
    weights.push_back(
        static_cast<float>((seen * square / mean + kEvenTokens) / (seen + kEvenTokens)));
  }
  return weights;
}

}  // namespace octavo
