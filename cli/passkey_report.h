// What octavo passkey found, as a table, JSON or a heat map.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {

struct PasskeyArguments {
  ModelArguments model;
  std::vector<int64_t> lengths;  ///< empty: doubling to the model's context
  std::vector<int64_t> depths = {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
  int64_t trials = 1;
  uint64_t seed = 1;
  std::string svg;
  bool as_json = false;
};

struct PasskeyAnswer {
  int64_t length = 0, depth = 0, key = 0;
  std::string text;  ///< what the model wrote
  bool correct = false;
};

struct PasskeyResult {
  std::vector<int64_t> lengths, depths;  ///< ascending
  std::vector<PasskeyAnswer> answers;
  CacheType cache = CacheType::kAuto;

  static constexpr int64_t kEvery = -1;  ///< instead of a length or a depth

  /// Share of the answers that are correct.
  double accuracy(int64_t length, int64_t depth) const;
};

std::string passkey_text(const PasskeyArguments& arguments, const PasskeyResult& result);
std::string passkey_json(const PasskeyArguments& arguments, const PasskeyResult& result,
                         const ModelInfo& model);
/// Depths downwards, lengths to the right.
std::string passkey_svg(const PasskeyArguments& arguments, const PasskeyResult& result);

}  // namespace octavo::cli
