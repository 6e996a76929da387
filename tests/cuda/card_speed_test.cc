// What measures the card does the work that it counts.
#include "backend/cuda/kernels/machine.h"

#include <gtest/gtest.h>

#include <vector>

#include "cuda/device_values.h"

namespace octavo::test {
namespace {

class MachineKernels : public CudaKernelTest {};

TEST_P(MachineKernels, CopiesEveryByte) {
  for (const size_t count : {16u, 256u * 16, 50000u * 16}) {
    std::vector<std::byte> bytes(count);
    for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
    const DeviceValues<std::byte> from(bytes), to(std::vector<std::byte>(count, std::byte{0}));
    cuda::copy_bytes(from.data(), to.data(), static_cast<int64_t>(count), 3, stream().get());
    EXPECT_EQ(to.read(stream()), bytes);
  }
}

TEST_P(MachineKernels, EveryWarpMultipliesEveryRound) {
  const DeviceValues<float> check(std::vector<float>(2 * cuda::kSpinThreads, -1));
  cuda::spin_bf16(2, 3, check.data(), stream().get());
  // Each of four values: three rounds of 8 columns of 2^-8 and as many of 2^-16, in eight chains.
  const float expected = 8 * 4 * 3 * (8 * 0x1p-8f + 8 * 0x1p-16f);
  const std::vector<float> sums = check.read(stream());
  // Of the four, two are of the other rows, which have the factors the other way round: the same.
  for (const float sum : sums) ASSERT_NEAR(sum, expected, 1e-4);

  cuda::spin_f32(2, 40, check.data(), stream().get());
  // x / 2 + 1 / 2 ends at 1.
  for (const float sum : check.read(stream())) ASSERT_NEAR(sum, cuda::kSpinChains, 1e-4);
}

OCTAVO_IN_EVERY_ORDER(MachineKernels);

}  // namespace
}  // namespace octavo::test
