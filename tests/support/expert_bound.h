// How far a backend's SwiGLU expert may be from the exact one.
#pragma once

#include "support/backend_fixture.h"
#include "support/matrix.h"
#include "support/reference_ops.h"

namespace octavo::test {

struct TestExpert {
  TestWeight w1, w3, w2;

  Expert expert() const { return {w1.weight, w3.weight, w2.weight}; }
  ReferenceExpert reference() const { return {w1.values, w3.values, w2.values}; }
};

/// Bound of every value of the expert's output for x [rows, dim]: the errors of the two products
/// pass through silu (whose slope is below 1.1) into the third product.
Matrix expert_bound(const Matrix& x, const TestExpert& expert, bool packed);

}  // namespace octavo::test
