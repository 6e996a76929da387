// What each op of a pass cost, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo::cli {

/// The bound that a kind of pass is held against.
enum class Pass { kPrefill, kDecode };

/// A line for each op: milliseconds, share of all, and its rate: GOP/s in prefill, GB/s in decode.
/// Prefill is shown as a whole, decode for one of its `tokens`. Empty for an empty profile.
std::string profile_table(Pass pass, int64_t tokens, const std::vector<OpProfile>& profile);

/// [{"op", "calls", "seconds", "bytes", "operations"}], sums as they are.
nlohmann::json profile_json(const std::vector<OpProfile>& profile);

}  // namespace octavo::cli
