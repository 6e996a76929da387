// How much each column of a matrix counts in the scale search, from a calibration.
#pragma once

#include <vector>

#include "io/calibration_file.h"

namespace octavo {

/// Weights [cols] for quantize_row, of mean about one: the mean squares of the matrix's inputs,
/// drawn towards evenness where few tokens were seen. Empty, which leaves the choice to the
/// quantizer, when `matrix` is null or nothing came through it.
std::vector<float> importance_of(const CalibratedMatrix* matrix);

}  // namespace octavo
