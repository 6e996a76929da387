// What attention's kernels write into the cache, and how a context shift moves it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "cuda/attention_problem.h"

namespace octavo::test {
namespace {

TEST(RopeAppend, RotatesQueriesAndKeepsEntriesAsTheCpuDoes) {
  for (const KvType type : kTypes) {
    for (const int head_dim : {2, 16, 44, 128}) {
      const Shape shape = {type, 3, 3, head_dim, 0};
      Sequence sequence(shape, 100, 1);
      sequence.append(61);
      sequence.append(7);  // over the end of a page
      const std::vector<float> frequency = frequencies(head_dim);
      const int64_t entry = cache_entry_bytes(cache_format(type), head_dim), half = head_dim / 2;
      std::vector<std::byte> kept(static_cast<size_t>(entry));
      std::vector<float> row(static_cast<size_t>(head_dim)), cosine(static_cast<size_t>(half)),
          sine(static_cast<size_t>(half));
      for (int r = 0; r < 7; ++r) {
        const int position = sequence.position() + r;
        for (int64_t i = 0; i < half; ++i) {
          const double angle = static_cast<float>(position) * frequency[static_cast<size_t>(i)];
          cosine[static_cast<size_t>(i)] = static_cast<float>(std::cos(angle));
          sine[static_cast<size_t>(i)] = static_cast<float>(std::sin(angle));
        }
        for (int h = 0; h < 3; ++h) {
          const size_t at = (static_cast<size_t>(r) * 3 + h) * head_dim;
          for (int side = 0; side < 3; ++side) {  // query, key, value
            const auto& from = side == 0   ? sequence.plain_q()
                               : side == 1 ? sequence.k()
                                           : sequence.v();
            std::copy_n(from.begin() + static_cast<long>(at), head_dim, row.begin());
            if (side < 2) scalar_kernels().rope(row.data(), cosine.data(), sine.data(), half);
            if (side == 0) {
              for (int d = 0; d < head_dim; ++d) {
                EXPECT_NEAR(sequence.q()[at + d], row[static_cast<size_t>(d)], 4e-7 * 8);
              }
              continue;
            }
            scalar_kernels().to_cache(cache_format(type), row.data(), kept.data(), head_dim);
            entry_to_floats(cache_format(type), kept.data(), row);
            const float largest =
                std::abs(*std::max_element(row.begin(), row.end(), [](float a, float b) {
                  return std::abs(a) < std::abs(b);
                }));
            for (int d = 0; d < head_dim; ++d) {
              const double expected = row[static_cast<size_t>(d)];
              const double unit = type == KvType::kF32    ? 4e-7 * 8
                                  : type == KvType::kF16  ? std::abs(expected) * 0x1p-10 + 1e-7
                                  : type == KvType::kBF16 ? std::abs(expected) * 0x1p-7
                                                          : largest / 127 * 1.01;
              // Values are not rotated: there the numbers are the same.
              EXPECT_NEAR(sequence.pages().at(h, side - 1, position, d), expected,
                          side == 2 ? 0 : unit)
                  << describe(shape, position, r);
            }
          }
        }
      }
    }
  }
}

TEST(ShiftKeys, MovesEntriesAndRotatesKeysBack) {
  for (const KvType type : kTypes) {
    const int head_dim = 44, kv_heads = 2, layers = 2, by = 37;
    Pages pages(type, kv_heads, head_dim, 0, 4, layers),
        wanted(type, kv_heads, head_dim, 0, 4, layers);
    const std::vector<float> frequency = frequencies(head_dim);
    Random random(6);
    std::vector<float> q(static_cast<size_t>(200 * kv_heads * head_dim)), out(q.size());
    const int32_t zero = 0;
    for (int layer = 0; layer < layers; ++layer) {
      const std::vector<float> k = random.normals(200 * kv_heads * head_dim),
                               v = random.normals(200 * kv_heads * head_dim);
      const auto rows = [&](int64_t skipped, int count, int first) {
        return cuda::AttentionRows{
            q.data(), k.data() + skipped, v.data() + skipped, out.data(), count, kv_heads, &zero,
            first,    frequency.data()};
      };
      run(cuda::rope_append, rows(0, 200, 0), pages.view(layer));
      // Tokens 100.. to where they will move to.
      run(cuda::rope_append, rows(int64_t{100} * kv_heads * head_dim, 100, 100 - by),
          wanted.view(layer));
    }
    for (int first = 100; first < 200; first += 50) {
      cuda::ShiftedEntries entries = {layers,           50,     first, by, pages.layer_bytes(),
                                      frequency.data(), nullptr};
      std::vector<std::byte> scratch(
          static_cast<size_t>(cuda::shift_scratch(pages.view(), layers, 50)));
      entries.scratch = scratch.data();
      run(cuda::read_shifted, entries, pages.view());
      run(cuda::write_shifted, entries, pages.view());
    }
    // The moved key was rounded twice and the other once, numbers of size 4 at most by half a unit
    // each; q8_0's unit is the 127th part of the largest.
    const auto [worst, typical] = type == KvType::kF32    ? std::pair(1e-6, 1e-7)
                                  : type == KvType::kF16  ? std::pair(0x1p-8, 0x1p-11)
                                  : type == KvType::kBF16 ? std::pair(0x1p-5, 0x1p-8)
                                                          : std::pair(0.05, 0.01);
    double squares = 0;
    for (int layer = 0; layer < layers; ++layer) {
      for (int p = 100 - by; p < 200 - by; ++p) {
        for (int h = 0; h < kv_heads; ++h) {
          for (int d = 0; d < head_dim; ++d) {
            const double error = pages.at(h, 0, p, d, layer) - wanted.at(h, 0, p, d, layer);
            EXPECT_LE(std::abs(error), worst)
                << static_cast<int>(type) << " position " << p << " dimension " << d;
            squares += error * error;
            EXPECT_EQ(pages.at(h, 1, p, d, layer), wanted.at(h, 1, p, d, layer));
          }
        }
      }
    }
    EXPECT_LE(std::sqrt(squares / (layers * 100 * kv_heads * head_dim)), typical)
        << static_cast<int>(type);
  }
}

}  // namespace
}  // namespace octavo::test
