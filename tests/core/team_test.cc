// The team of threads under the CPU backend.
#include "core/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "core/parallel.h"

namespace octavo {
namespace {

TEST(TeamTest, EveryThreadRunsOnceARound) {
  for (const int threads : {1, 2, 3, 5}) {
    Team team(threads);
    ASSERT_EQ(team.size(), threads);
    std::vector<int> runs(static_cast<size_t>(threads), 0);
    for (int round = 1; round <= 200; ++round) {
      team.run([&](int thread, int count) {
        EXPECT_EQ(count, threads);
        ++runs[static_cast<size_t>(thread)];
      });
      for (const int n : runs) ASSERT_EQ(n, round);
    }
  }
}

TEST(TeamTest, SharesCoverEveryItemOnce) {
  for (const int threads : {1, 2, 3, 5}) {
    Team team(threads);
    for (const int64_t count : {0, 1, 2, 7, 100, 1001}) {
      for (const int64_t step : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> taken(static_cast<size_t>(count));
        team.run_shares(count, step, [&](int64_t begin, int64_t end, int thread) {
          EXPECT_TRUE(begin < end && end - begin <= step && thread < threads);
          for (int64_t i = begin; i < end; ++i) ++taken[static_cast<size_t>(i)];
        });
        for (const auto& times : taken) ASSERT_EQ(times, 1);
      }
    }
  }
}

// One thread never gets to its share: the others do it.
TEST(TeamTest, WhoIsDoneTakesFromTheOthers) {
  Team team(3);
  std::atomic<int64_t> done = 0;
  team.run_shares(300, 1, [&](int64_t, int64_t, int thread) {
    if (thread == 1) {
      while (done < 299) std::this_thread::yield();
    }
    ++done;
  });
  EXPECT_EQ(done, 300);
}

TEST(TeamTest, WhatOneRoundWroteTheNextReads) {
  constexpr int64_t kCount = 1000;
  Team team(3);
  std::vector<int64_t> values(kCount, 1), sums(3);
  for (int round = 0; round < 50; ++round) {
    team.run([&](int thread, int count) {
      const auto [begin, end] = share(kCount, thread, count);
      for (int64_t i = begin; i < end; ++i) values[static_cast<size_t>(i)] += 1;
    });
    team.run([&](int thread, int) {
      sums[static_cast<size_t>(thread)] = std::accumulate(values.begin(), values.end(), int64_t{0});
    });
    for (const int64_t sum : sums) ASSERT_EQ(sum, kCount * (round + 2));
  }
}

TEST(TeamTest, WakesAfterItSlept) {
  Team team(2);
  for (int round = 0; round < 3; ++round) {
    int runs[2] = {};
    team.run([&](int thread, int) {
      // The other thread waits longer than it spins, in the round and after it.
      if (thread == round % 2) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ++runs[thread];
    });
    EXPECT_EQ(runs[0] + runs[1], 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST(TeamTest, EndsWithoutHavingRun) { const Team team(4); }

}  // namespace
}  // namespace octavo
