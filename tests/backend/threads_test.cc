// Every op gives the same bits for any number of threads.
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

#include "support/backend_fixture.h"
#include "support/random.h"

namespace octavo::test {
namespace {

class Threads : public BackendTest {
 protected:
  struct Weights {
    TestWeight table, gain, projection, router;
    std::vector<TestWeight> matrices;
    std::vector<Expert> experts;
  };
  static constexpr int64_t kDim = 256, kHeads = 8, kKvHeads = 2, kHeadDim = 32;

  Weights make_weights(Format format) {
    Random random(1);
    Weights weights{load(random_blocks(format, 300, kDim, random)),
                    load_vector(random.normals(kDim)),
                    load(random_blocks(format, 200, kDim, random)),
                    load(random_blocks(Format::kF32, 8, kDim, random)),
                    {},
                    {}};
    for (int i = 0; i < 8 * 3; ++i) {
      weights.matrices.push_back(load(random_blocks(format, kDim, kDim, random)));
    }
    for (size_t e = 0; e < 8; ++e) {
      weights.experts.push_back({weights.matrices[3 * e].weight, weights.matrices[3 * e + 1].weight,
                                 weights.matrices[3 * e + 2].weight});
    }
    return weights;
  }

  // Everything that a layer does, on `rows` rows; all results one after the other.
  std::vector<float> run(const Weights& weights, int threads, int64_t rows) {
    const auto backend = make_backend(threads);
    std::vector<float> results;
    const auto keep = [&](const Activation& x) {
      const std::vector<float> values = download(*backend, x, rows);
      results.insert(results.end(), values.begin(), values.end());
    };
    Random random(2);
    const ActivationPtr x = backend->activation(kMostRows, kDim);
    backend->embed(*weights.table.weight, random.ids(rows, 300), *x);
    keep(*x);
    backend->rmsnorm(*x, rows, *weights.gain.weight, 1e-5f, *x);
    keep(*x);
    const ActivationPtr projected = backend->activation(kMostRows, 200);
    const Projection projection{weights.projection.weight.get(), projected.get()};
    backend->matmul(*x, 0, rows, std::span(&projection, 1));
    keep(*projected);
    attend(*backend, rows, random, keep);
    const ActivationPtr out = backend->activation(kMostRows, kDim);
    Routing routing;
    backend->moe_ffn(*x, rows, *weights.router.weight, weights.experts, 2, *out, &routing);
    keep(*out);
    results.insert(results.end(), routing.logits.begin(), routing.logits.end());
    results.insert(results.end(), routing.weights.begin(), routing.weights.end());
    backend->ffn(*x, rows, weights.experts.front(), *out);
    keep(*out);
    backend->add(*out, rows, *x);
    keep(*x);
    return results;
  }

 private:
  template <class Keep>
  static void attend(Backend& backend, int64_t rows, Random& random, const Keep& keep) {
    KvShape shape;
    shape.layers = 1;
    shape.kv_heads = kKvHeads;
    shape.head_dim = kHeadDim;
    shape.context = kMostContext;
    const KvCachePtr cache = backend.kv_cache(shape);
    AttentionShape attention;
    attention.heads = kHeads;
    attention.rope_theta = 1e4;
    for (int64_t position = 0; position < 3 * rows; position += rows) {
      const ActivationPtr q = upload(backend, random.normals(rows * kDim), kDim);
      const ActivationPtr k = upload(backend, random.normals(rows * 64), 64);
      const ActivationPtr v = upload(backend, random.normals(rows * 64), 64);
      const ActivationPtr out = backend.activation(kMostRows, kDim);
      backend.attention(*q, *k, *v, rows, attention, *cache, 0, position, *out);
      keep(*out);
    }
  }
};
OCTAVO_FOR_ALL_BACKENDS(Threads);

TEST_P(Threads, AnyNumberGivesTheSameBits) {
  if (is_emulated()) GTEST_SKIP() << "skipped: the number is the CPU's";
  for (const Format format : all_formats()) {
    const Weights weights = make_weights(format);
    for (const int64_t rows : {1, 3, 17, 40}) {
      const std::vector<float> expected = run(weights, 1, rows);
      for (const int threads : {2, 3, 4, 7}) {
        const std::vector<float> actual = run(weights, threads, rows);
        ASSERT_EQ(actual.size(), expected.size());
        for (size_t i = 0; i < actual.size(); ++i) {
          ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]))
              << format_name(format) << ", " << threads << " threads, " << rows << " rows, result "
              << i;
        }
      }
    }
  }
}

TEST_P(Threads, TwoRunsGiveTheSameBits) {
  const Weights weights = make_weights(Format::kQ4_K);
  EXPECT_EQ(run(weights, 0, 33), run(weights, 0, 33));
}

}  // namespace
}  // namespace octavo::test
