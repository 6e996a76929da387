// What octavo perplexity found, as text, JSON or a plot.
#pragma once

#include <string>

#include "octavo/octavo.hpp"
#include "options.h"
#include "position_losses.h"
#include "scored_text.h"

namespace octavo::cli {

struct PerplexityArguments {
  ModelArguments model;
  std::string file, svg;
  int64_t chunks = 0;  ///< 0: all of the text
  bool by_position = false, as_json = false;
};

struct PerplexityResult {
  Score all;
  PositionLosses positions;  ///< of the same losses
  int64_t context = 0, chunks = 0;
  CacheType cache = CacheType::kAuto;
};

/// One line; with --by-position a table.
std::string perplexity_text(const PerplexityArguments& arguments, const PerplexityResult& result);
std::string perplexity_json(const PerplexityArguments& arguments, const PerplexityResult& result,
                            const ModelInfo& model);
/// Perplexity over the context's length.
std::string perplexity_svg(const PerplexityArguments& arguments, const PerplexityResult& result);

}  // namespace octavo::cli
