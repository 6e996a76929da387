// How calls that take long report and are ended.
#pragma once

#include <cstdint>
#include <functional>

namespace octavo {

/// Called now and then, in the thread that made the call, with what is done and what there is in
/// all. Returning false ends the call with Error(kCancelled); so does what it throws, as itself.
using Progress = std::function<bool(int64_t done, int64_t total)>;

}  // namespace octavo
