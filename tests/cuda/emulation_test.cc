// The emulated card finds what a real one would only sometimes show.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/memory.h"
#include "cuda_emulation/emulation.h"
#include "octavo/error.hpp"

namespace octavo::test {
namespace {

using cuda::launch;

class Emulation : public ::testing::Test {
 protected:
  ~Emulation() override {
    cuda_emulation::set_order(0);
    cuda_emulation::forget_failure();
  }
  std::string failure() {
    try {
      stream_.wait();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  const cuda::OwnedStream& stream() const { return stream_; }

 private:
  cuda::OwnedStream stream_;
};

void reverse(int* out, bool barrier) {
  __shared__ int values[64];
  values[threadIdx.x] = static_cast<int>(threadIdx.x) + 1;
  if (barrier) __syncthreads();
  out[threadIdx.x] = values[63 - threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = 0;  // so that the next launch finds nothing
}

TEST_F(Emulation, AMissingBarrierShowsInSomeOrder) {
  const cuda::Buffer<int> out(64, "a test");
  const auto reversed = [&](bool barrier, uint64_t order) {
    cuda_emulation::set_order(order);
    launch(reverse, {1, 64}, stream(), out.data(), barrier);
    std::vector<int> values(64);
    cuda::to_host(out.data(), 64, values.data(), stream());
    for (int i = 0; i < 64; ++i) {
      if (values[static_cast<size_t>(i)] != 64 - i) return false;
    }
    return true;
  };
  for (const uint64_t order : {0, 1, 2}) {
    EXPECT_TRUE(reversed(true, order));
    EXPECT_FALSE(reversed(false, order));
  }
}

TEST_F(Emulation, ABarrierThatSomeThreadsMissIsAFailure) {
  launch(
      +[](int) {
        if (threadIdx.x < 10) __syncthreads();
      },
      {1, 64}, stream(), 0);
  EXPECT_NE(failure().find("10 at a barrier"), std::string::npos);
}

TEST_F(Emulation, DifferentBarriersAreAFailure) {
  launch(
      +[](int) {
        if (threadIdx.x < 32) {
          __syncthreads();
        } else {
          __syncthreads();
        }
      },
      {1, 64}, stream(), 0);
  EXPECT_NE(failure().find("different barriers"), std::string::npos);
}

TEST_F(Emulation, MissingLanesAreAFailure) {
  launch(
      +[](int) {
        if (threadIdx.x != 5) __shfl_xor_sync(cuda::kAllLanes, 1, 1);
      },
      {1, 32}, stream(), 0);
  EXPECT_NE(failure().find("31 for lanes"), std::string::npos);
}

TEST_F(Emulation, WritesBesideAnAllocationAreAFailure) {
  const cuda::Buffer<int> out(64, "a test");
  launch(
      +[](int* to) { to[threadIdx.x + 1] = 0; }, {1, 64}, stream(), out.data());
  EXPECT_NE(failure().find("beside an allocation of 256 bytes"), std::string::npos);
}

TEST_F(Emulation, CopiesThatNobodyWaitsForAreAFailure) {
  const cuda::Buffer<int4> from(32, "a test");
  launch(
      +[](const int4* source) {
        OCTAVO_DYNAMIC_SHARED(int4, shared);
        cuda::copy_async(shared + threadIdx.x, source + threadIdx.x);
        cuda::commit_copies();
      },
      {1, 32, 512}, stream(), from.data());
  EXPECT_NE(failure().find("nobody waited for"), std::string::npos);
}

TEST_F(Emulation, ShufflesAndVotes) {
  const cuda::Buffer<int> out(32 * 6, "a test");
  launch(
      +[](int* to) {
        const int lane = static_cast<int>(threadIdx.x);
        to[lane] = __shfl_sync(cuda::kAllLanes, lane, 7);
        to[32 + lane] = __shfl_xor_sync(cuda::kAllLanes, lane, 4);
        to[64 + lane] = __shfl_down_sync(cuda::kAllLanes, lane, 3);
        to[96 + lane] = __shfl_up_sync(cuda::kAllLanes, lane, 3);
        to[128 + lane] = static_cast<int>(__ballot_sync(cuda::kAllLanes, lane % 2 == 0));
        to[160 + lane] = __shfl_sync(cuda::kAllLanes, lane, 1, 8);
      },
      {1, 32}, stream(), out.data());
  std::vector<int> values(192);
  cuda::to_host(out.data(), 192, values.data(), stream());
  stream().wait();
  for (int lane = 0; lane < 32; ++lane) {
    const auto at = [&](int row) { return values[static_cast<size_t>(32 * row + lane)]; };
    EXPECT_EQ(at(0), 7);
    EXPECT_EQ(at(1), lane ^ 4);
    EXPECT_EQ(at(2), lane + 3 < 32 ? lane + 3 : lane);
    EXPECT_EQ(at(3), lane >= 3 ? lane - 3 : lane);
    EXPECT_EQ(at(4), 0x55555555);
    EXPECT_EQ(at(5), lane / 8 * 8 + 1);
  }
}

}  // namespace
}  // namespace octavo::test
