// Session::profile: what is counted, op by op; not how long anything takes.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "io/model_file.h"
#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"

namespace octavo::test {
namespace {

/// A checkpoint converted, opened, and its profile by name.
class ProfileTest : public testing::Test {
 protected:
  explicit ProfileTest(const std::filesystem::path& source = pocket_mixtral(),
                       Format format = Format::kQ4_K)
      : file_(source, format) {}

  /// Bytes of the tensors whose name contains `part`.
  double bytes_of(std::string_view part) const {
    double bytes = 0;
    for (const TensorEntry& entry : directory_.directory().tensors) {
      if (entry.name.find(part) != entry.name.npos) bytes += static_cast<double>(entry.bytes);
    }
    return bytes;
  }
  static std::map<std::string, OpProfile> by_name(const Session& session) {
    std::map<std::string, OpProfile> ops;
    for (const OpProfile& op : session.profile()) ops[op.name] = op;
    return ops;
  }

  const Converted file_;
  const ModelFile directory_{file_.path()};
  const Model model_ = Model::open(file_.path());
  const ModelInfo& info_ = model_.info();
  const std::vector<int32_t> ids_ = {1, 17, 300, 42, 5, 999, 77};
};

TEST_F(ProfileTest, IsEmptyUnlessAskedFor) {
  Session session(model_);
  session.feed(ids_);
  EXPECT_TRUE(session.profile().empty());
}

TEST_F(ProfileTest, ChangesNoLogit) {
  Session plain(model_), profiled(model_, {.profile = true});
  for (const int32_t id : ids_) {
    const auto expected = plain.feed({&id, 1}), logits = profiled.feed({&id, 1});
    EXPECT_TRUE(std::equal(logits.begin(), logits.end(), expected.begin(), expected.end()));
  }
}

TEST_F(ProfileTest, CountsCallsSinceTheReset) {
  Session session(model_, {.profile = true});
  session.feed(ids_);
  session.reset_profile();
  EXPECT_TRUE(session.profile().empty());
  for (const int32_t id : {5, 6}) session.feed({&id, 1});
  const std::map<std::string, int64_t> expected = {{"embed", 2},
                                                   {"rmsnorm", 2 * (2 * info_.layers + 1)},
                                                   {"matmul_qkv", 2 * info_.layers},
                                                   {"attention", 2 * info_.layers},
                                                   {"matmul_out", 2 * info_.layers},
                                                   {"add", 4 * info_.layers},
                                                   {"moe_ffn", 2 * info_.layers},
                                                   {"matmul_logits", 2},
                                                   {"read", 2}};
  std::map<std::string, int64_t> calls;
  for (const OpProfile& op : session.profile()) {
    calls[op.name] = op.calls;
    EXPECT_GE(op.seconds, 0) << op.name;
  }
  EXPECT_EQ(calls, expected);
  EXPECT_EQ(session.profile().front().name, "embed");
  EXPECT_EQ(session.profile().back().name, "read");
}

TEST_F(ProfileTest, BytesAndOperationsOfOneToken) {
  Session session(model_, {.profile = true});
  session.feed(ids_);
  session.reset_profile();
  const int32_t id = 8;
  session.feed({&id, 1});
  auto ops = by_name(session);
  EXPECT_EQ(ops["matmul_qkv"].bytes, bytes_of(".wq") + bytes_of(".wk") + bytes_of(".wv"));
  EXPECT_EQ(ops["matmul_out"].bytes, bytes_of(".wo"));
  EXPECT_EQ(ops["matmul_logits"].bytes, bytes_of("output"));
  EXPECT_EQ(ops["moe_ffn"].bytes, bytes_of(".router") + bytes_of(".experts.") / 4);  // 2 of 8
  const int64_t keys = static_cast<int64_t>(ids_.size()) + 1;
  const int64_t kv_dim = info_.kv_heads * info_.head_dim, q_dim = info_.heads * info_.head_dim;
  EXPECT_EQ(ops["attention"].bytes, static_cast<double>(info_.layers * keys * kv_dim * 2 * 2));
  EXPECT_EQ(ops["attention"].operations, static_cast<double>(info_.layers * keys * q_dim * 4));
  EXPECT_EQ(ops["matmul_out"].operations,
            static_cast<double>(2 * info_.layers * info_.dim * q_dim));
  EXPECT_EQ(ops["add"].bytes, 0);
}

TEST_F(ProfileTest, ExpertsCountOnceACallAndOnlyWhenChosen) {
  Session session(model_, {.profile = true});
  std::set<std::pair<int64_t, int32_t>> chosen;  // layer, expert
  session.trace_routing([&](const RoutedToken& token) {
    for (const int32_t expert : token.experts) chosen.emplace(token.layer, expert);
  });
  session.feed(ids_);
  const double one = bytes_of("layers.0.experts.0.");
  const auto ops = by_name(session);
  EXPECT_EQ(ops.at("moe_ffn").bytes,
            bytes_of(".router") + one * static_cast<double>(chosen.size()));
  EXPECT_LT(chosen.size(), static_cast<size_t>(info_.layers * info_.experts));

  const auto rows = static_cast<int64_t>(ids_.size());
  const int64_t weights = info_.experts * info_.dim + 2 * 3 * info_.dim * info_.ffn_dim;
  EXPECT_EQ(ops.at("moe_ffn").operations, static_cast<double>(2 * info_.layers * rows * weights));

  // The same without anybody who asks for the routing.
  session.trace_routing({});
  session.reset();
  session.reset_profile();
  session.feed(ids_);
  EXPECT_EQ(by_name(session).at("moe_ffn").bytes, ops.at("moe_ffn").bytes);
}

class DenseProfileTest : public ProfileTest {
 protected:
  DenseProfileTest() : ProfileTest(test_data("tiny-mistral-swa/hf"), Format::kF32) {}
};

TEST_F(DenseProfileTest, AnFfnAndAWindow) {
  Session session(model_, {.profile = true});
  const std::vector<int32_t> ids(12, 3);
  session.feed(ids);
  session.reset_profile();
  session.feed(std::span(ids).first(3));
  const auto ops = by_name(session);
  EXPECT_EQ(ops.count("moe_ffn"), 0u);
  EXPECT_EQ(ops.at("ffn").bytes, bytes_of(".w1") + bytes_of(".w2") + bytes_of(".w3"));
  // Each row sees the window; the rows together two entries more. f32.
  ASSERT_EQ(info_.window, 8);
  const int64_t kv_dim = info_.kv_heads * info_.head_dim;
  EXPECT_EQ(ops.at("attention").bytes,
            static_cast<double>(info_.layers * (8 + 2) * kv_dim * 2 * 4));
  EXPECT_EQ(ops.at("attention").operations,
            static_cast<double>(info_.layers * 3 * 8 * info_.heads * info_.head_dim * 4));
}

}  // namespace
}  // namespace octavo::test
