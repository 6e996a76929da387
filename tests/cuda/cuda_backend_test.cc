// What the CUDA backend does around its kernels: graphs, waiting, memory, errors.
#include "backend/cuda/cuda_backend.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda_emulation/device.h"
#include "cuda_emulation/emulation.h"
#include "octavo/error.hpp"
#include "quant/packed.h"
#include "support/packed_matrix.h"
#include "support/random.h"

namespace octavo::test {
namespace {

constexpr int64_t kDim = 64, kFfn = 96, kVocab = 50, kExperts = 4, kHeads = 4, kKvHeads = 2,
                  kHeadDim = 32, kQuery = kHeads * kHeadDim, kContext = 2048, kRows = 32;

BackendLimits limits() {
  return {.rows = kRows,
          .cols = kQuery,
          .ffn_dim = kFfn,
          .heads = kHeads,
          .experts = kExperts,
          .top_k = 2,
          .context = kContext};
}

/// One layer with an embedding and an output, on a device.
class SmallModel {
 public:
  explicit SmallModel(std::shared_ptr<Device> device) : device_(std::move(device)) {
    table_ = load(Format::kQ8_0, kVocab, kDim);
    gain_ = device_->load(plain_view(gain_values_));
    wq_ = load(Format::kQ4_0, kQuery, kDim);
    wk_ = load(Format::kQ4_0, kKvHeads * kHeadDim, kDim);
    wv_ = load(Format::kQ8_0, kKvHeads * kHeadDim, kDim);
    wo_ = load(Format::kQ4_0, kDim, kQuery);
    router_ = load(Format::kF32, kExperts, kDim);
    for (int64_t e = 0; e < kExperts; ++e) {
      experts_.push_back({load(Format::kQ4_0, kFfn, kDim), load(Format::kQ4_0, kFfn, kDim),
                          load(Format::kQ8_0, kDim, kFfn)});
    }
  }

  /// One sequence on a backend of its own.
  struct Sequence {
    explicit Sequence(SmallModel& model, int64_t window = 0)
        : backend(model.device_->backend(limits())),
          cache(backend->kv_cache({1, kKvHeads, kHeadDim, kContext, window, KvType::kF16})),
          x(backend->activation(kRows, kDim)),
          normed(backend->activation(kRows, kDim)),
          delta(backend->activation(kRows, kDim)),
          q(backend->activation(kRows, kQuery)),
          k(backend->activation(kRows, kKvHeads * kHeadDim)),
          v(backend->activation(kRows, kKvHeads * kHeadDim)),
          attended(backend->activation(kRows, kQuery)),
          logits(backend->activation(kRows, kVocab)) {}
    cuda::Queue& queue() { return static_cast<cuda::CudaBackend&>(*backend).queue(); }

    std::unique_ptr<Backend> backend;
    KvCachePtr cache;
    ActivationPtr x, normed, delta, q, k, v, attended, logits;
    int64_t position = 0;
  };

  /// Logits of the last of the tokens; the ops come as Transformer has them.
  std::vector<float> feed(Sequence& s, const std::vector<int32_t>& ids) {
    const auto rows = static_cast<int64_t>(ids.size());
    Backend& backend = *s.backend;
    const Projection qkv[] = {
        {wq_.get(), s.q.get()}, {wk_.get(), s.k.get()}, {wv_.get(), s.v.get()}};
    const Projection wo[] = {{wo_.get(), s.delta.get()}}, out[] = {{table_.get(), s.logits.get()}};
    backend.embed(*table_, ids, *s.x);
    backend.rmsnorm(*s.x, rows, *gain_, 1e-5f, *s.normed);
    backend.matmul(*s.normed, 0, rows, qkv);
    backend.attention(*s.q, *s.k, *s.v, rows, {kHeads, 1e4}, *s.cache, 0, s.position, *s.attended);
    backend.matmul(*s.attended, 0, rows, wo);
    backend.add(*s.delta, rows, *s.x);
    backend.rmsnorm(*s.x, rows, *gain_, 1e-5f, *s.normed);
    backend.moe_ffn(*s.normed, rows, *router_, experts_, 2, *s.delta, nullptr);
    backend.add(*s.delta, rows, *s.x);
    backend.rmsnorm(*s.x, rows, *gain_, 1e-5f, *s.normed);
    backend.matmul(*s.normed, rows - 1, 1, out);
    s.position += rows;
    std::vector<float> logits(kVocab);
    backend.read(*s.logits, 0, 1, logits);
    return logits;
  }

 private:
  WeightPtr load(Format format, int64_t rows, int64_t cols) {
    matrices_.push_back(random_blocks(format, rows, cols, random_, 0.2));
    return device_->load(matrices_.back().view());
  }

  std::shared_ptr<Device> device_;
  Random random_{1};
  std::vector<float> gain_values_ = Random(2).normals(kDim);
  std::deque<PackedMatrix> matrices_;
  WeightPtr table_, gain_, wq_, wk_, wv_, wo_, router_;
  std::vector<Expert> experts_;
};

class CudaBackendTest : public ::testing::Test {
 protected:
  ~CudaBackendTest() override { cuda_emulation::set_machine({}); }
  static std::string message(const std::function<void()>& call, ErrorCode code) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }
};

TEST_F(CudaBackendTest, ReplayedTokensHaveTheBitsOfLaunchedOnes) {
  for (const int64_t window : {0, 100}) {
    SmallModel model(cuda_emulation::make_device());
    SmallModel::Sequence replayed(model, window), launched(model, window);
    launched.queue().use_graphs(false);
    const std::vector<int32_t> prompt = Random(3).ids(31, kVocab), ids = Random(4).ids(30, kVocab);
    for (int i = 0; i < 16; ++i) {
      ASSERT_EQ(model.feed(replayed, prompt), model.feed(launched, prompt));
    }
    const int64_t before = cuda_emulation::counts().graph_launches;
    for (const int32_t id : ids) {  // past 512 positions, from where another graph is made
      ASSERT_EQ(model.feed(replayed, {id}), model.feed(launched, {id})) << replayed.position;
    }
    EXPECT_GT(replayed.position, 512);
    // A window bounds the parts of the sequence, so that the list stays the same.
    EXPECT_EQ(cuda_emulation::counts().graph_launches, before + (window == 0 ? 28 : 29));
    // Back to the beginning, and two tokens at a time: other lists of ops.
    replayed.position = launched.position = 7;
    for (size_t i = 0; i < 10; i += 2) {
      ASSERT_EQ(model.feed(replayed, {ids[i], ids[i + 1]}),
                model.feed(launched, {ids[i], ids[i + 1]}));
    }
  }
}

// What a kernel before it can do takes none of its own: additions, and quantizing for products.
TEST_F(CudaBackendTest, ATokenTakesTenKernelsALayer) {
  SmallModel model(cuda_emulation::make_device());
  SmallModel::Sequence fused(model), apart(model);
  apart.queue().use_graphs(false);
  const auto launches = [&](SmallModel::Sequence& sequence) {
    const int64_t before = cuda_emulation::counts().launches;
    model.feed(sequence, {5});
    return cuda_emulation::counts().launches - before;
  };
  for (SmallModel::Sequence* first : {&fused, &apart}) launches(*first);  // with its page of keys
  for (int i = 0; i < 4; ++i) {  // launched, captured, replayed
    // Id and position, embedding; norm; q, k, v; rotate, attend, merge; wo; norm; router, two of
    // the experts; norm; output.
    EXPECT_EQ(launches(fused), 2 + 10 + 2) << i;
    // Position by itself; five more in the layer, one more before the output.
    EXPECT_EQ(launches(apart), 3 + 15 + 3) << i;
  }
}

TEST_F(CudaBackendTest, TheHostWaitsOnceAToken) {
  SmallModel model(cuda_emulation::make_device());
  SmallModel::Sequence sequence(model);
  for (int i = 0; i < 2; ++i) model.feed(sequence, Random(3).ids(30, kVocab));
  for (int i = 0; i < 12; ++i) {
    const cuda_emulation::Counts before = cuda_emulation::counts();
    model.feed(sequence, {5});
    const cuda_emulation::Counts after = cuda_emulation::counts();
    EXPECT_EQ(after.synchronizations - before.synchronizations, 1) << "token " << i;
    // Pages of keys and values alone.
    EXPECT_EQ(after.allocations - before.allocations, sequence.position == 65 ? 1 : 0);
    if (i <= 2) continue;  // what comes first is not captured yet
    EXPECT_EQ(after.graph_launches - before.graph_launches, 1);
  }
}

TEST_F(CudaBackendTest, ForksShareUntilOneWrites) {
  SmallModel model(cuda_emulation::make_device());
  SmallModel::Sequence one(model), two(model), alone(model);
  const std::vector<int32_t> ids = Random(3).ids(30, kVocab);
  for (int i = 0; i < 4; ++i) model.feed(one, ids);
  for (int i = 0; i < 4; ++i) model.feed(alone, ids);
  const int64_t used = cuda_emulation::counts().bytes_in_use;
  two.cache = one.cache->fork();
  two.position = one.position;
  EXPECT_EQ(two.cache->bytes(), one.cache->bytes());
  const int64_t page = one.cache->bytes() / 2;  // 120 positions
  EXPECT_LT(cuda_emulation::counts().bytes_in_use, used + page);
  for (int i = 0; i < 20; ++i) {
    model.feed(two, {3});
    ASSERT_EQ(model.feed(one, {7}), model.feed(alone, {7})) << i;
  }
  // The page that both wrote to, and one more each.
  EXPECT_GT(cuda_emulation::counts().bytes_in_use, used + 2 * page);
}

TEST_F(CudaBackendTest, MemoryThatIsNotThereIsNamed) {
  cuda_emulation::set_machine({.memory = 4 << 20});
  const auto device = cuda_emulation::make_device();
  Random random(1);
  const PackedMatrix large = random_blocks(Format::kF32, 1024, 2048, random);
  const std::string weight = message([&] { device->load(large.view()); }, ErrorCode::kIo);
  EXPECT_NE(weight.find("8.0 MiB were asked for a weight"), std::string::npos) << weight;
  EXPECT_NE(weight.find("of 0.00 GiB are free"), std::string::npos) << weight;
  EXPECT_NE(weight.find("--gpu-layers"), std::string::npos) << weight;
  BackendLimits many = limits();
  many.rows = 4096;
  const std::string scratch = message([&] { device->backend(many); }, ErrorCode::kIo);
  EXPECT_NE(scratch.find("for intermediate results"), std::string::npos) << scratch;
  // Still usable for what fits.
  EXPECT_NO_THROW(device->load(random_blocks(Format::kF32, 16, 16, random).view()));
}

TEST_F(CudaBackendTest, KeysAndValuesThatDoNotFitAreAnError) {
  SmallModel model(cuda_emulation::make_device());
  SmallModel::Sequence sequence(model);
  const std::vector<int32_t> ids = Random(3).ids(30, kVocab);
  model.feed(sequence, ids);
  const auto used = static_cast<size_t>(cuda_emulation::counts().bytes_in_use);
  cuda_emulation::set_machine({.memory = used});
  const std::string cache = message(
      [&] {
        for (int i = 0; i < 4; ++i) model.feed(sequence, ids);
      },
      ErrorCode::kIo);
  EXPECT_NE(cache.find("for keys and values"), std::string::npos) << cache;
}

TEST_F(CudaBackendTest, WhyThereIsNoDevice) {
  const auto why = [](const cuda_emulation::Machine& machine) {
    cuda_emulation::set_machine(machine);
    return message([] { cuda_emulation::make_device(); }, ErrorCode::kUnsupported);
  };
  EXPECT_NE(why({.driver = 0}).find("no NVIDIA driver"), std::string::npos);
  EXPECT_NE(why({.driver = 12020}).find("supports CUDA 12.2, this build needs 13.0"),
            std::string::npos);
  EXPECT_NE(why({.devices = 0}).find("no NVIDIA card"), std::string::npos);
  EXPECT_NE(why({.major = 7, .minor = 5}).find("too old, compute capability 7.5"),
            std::string::npos);
}

TEST_F(CudaBackendTest, LargeWeightsArriveWhole) {
  const auto device = cuda_emulation::make_device();
  Random random(1);
  const PackedMatrix large = random_blocks(Format::kQ8_0, 4096, 5000, random);  // several stages
  const WeightPtr weight = device->load(large.view());
  const auto backend = device->backend(limits());
  const ActivationPtr row = backend->activation(1, 5000);
  for (const int32_t id : {0, 2000, 4095}) {
    backend->embed(*weight, {&id, 1}, *row);
    std::vector<float> actual(5000), expected(5000);
    backend->read(*row, 0, 1, actual);
    dequantize_packed_row(Format::kQ8_0, large.view().data, id, expected);
    EXPECT_EQ(actual, expected) << id;
  }
}

}  // namespace
}  // namespace octavo::test
