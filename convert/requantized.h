// How much is lost where a quantized source gets another quantized format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "convert/source.h"
#include "io/model_file.h"
#include "octavo/convert.hpp"

namespace octavo {

/// What a conversion to this directory will requantize, by pairs of type and format.
std::vector<Requantized> plan_requantized(const ModelSource& source,
                                          const ModelDirectory& directory);

/// Sums the errors of a conversion, tensor after tensor.
class RequantizedSums {
 public:
  /// The next tensor; its rows of `cols` values come from `threads` threads.
  void begin(SourceType from, Format to, int64_t cols, int threads);
  /// A row of it: the source's values, and what is stored of them in row order.
  void add(int thread, std::span<const float> values, const std::byte* stored);
  /// Puts what is known so far into the rows of a plan; not while rows come in.
  void fill(std::vector<Requantized>& plan) const;

 private:
  struct alignas(64) Sums {  // a cache line each
    double error = 0, square = 0;
    std::vector<float> stored;  // [cols] of a row
  };
  struct Pair {
    SourceType from;
    Format to;
    int64_t tensors = 0;
    std::vector<Sums> by_thread;
  };
  std::vector<Pair> pairs_;
  Pair* current_ = nullptr;  // null: nothing is lost
};

}  // namespace octavo
