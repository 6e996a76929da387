#include "backend/cuda/kernels/state.h"

#include <algorithm>

#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {
namespace {

/// Arguments of a kernel hold 4 KiB.
constexpr int kMostInts = 960;
struct Ints {
  int32_t values[kMostInts];
};

__global__ void set_ints_kernel(int32_t* to, Ints ints, int count) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    to[i] = ints.values[i];
  }
}

/// A token's position and its id: no need to send kMostInts.
struct FewInts {
  int32_t values[16];
};
__global__ void set_few_ints_kernel(int32_t* to, FewInts ints, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) to[i] = ints.values[i];
}

__global__ void set_page_kernel(std::byte** table, int64_t index, std::byte* page) {
  table[index] = page;
}

}  // namespace

void set_ints(int32_t* to, std::span<const int32_t> values, Stream stream) {
  if (values.size() <= std::size(FewInts{}.values)) {
    FewInts ints = {};
    std::copy(values.begin(), values.end(), ints.values);
    launch(set_few_ints_kernel, {1, kWarp}, stream, to, ints, static_cast<int>(values.size()));
    return;
  }
  while (!values.empty()) {
    const std::span<const int32_t> part = values.first(std::min<size_t>(values.size(), kMostInts));
    Ints ints = {};
    std::copy(part.begin(), part.end(), ints.values);
    launch(set_ints_kernel, {1, 256}, stream, to, ints, static_cast<int>(part.size()));
    to += part.size();
    values = values.subspan(part.size());
  }
}

void set_page(std::byte** table, int64_t index, std::byte* page, Stream stream) {
  launch(set_page_kernel, {1, 1}, stream, table, index, page);
}

}  // namespace octavo::cuda
