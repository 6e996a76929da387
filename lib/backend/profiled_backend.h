// A Backend that passes every op on to another one and keeps count of it: calls, time, work.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "backend/forwarding_backend.h"

namespace octavo {

/// What is told apart, in the order of a forward pass.
enum class Op : uint8_t {
  kEmbed,
  kRmsnorm,
  kQkv,  ///< the products in front of attention
  kAttention,
  kShift,
  kOutput,  ///< the product behind attention
  kAdd,
  kMoe,
  kFfn,
  kLogits,  ///< every other product
  kRead,
};
inline constexpr size_t kOps = static_cast<size_t>(Op::kRead) + 1;
std::string_view op_name(Op op);

/// Sums over all calls of an op. Norms, additions and copies have neither bytes nor operations.
struct OpTotals {
  int64_t calls = 0;
  double seconds = 0;     ///< until the call returned
  double bytes = 0;       ///< weights and cache entries, each once a call
  double operations = 0;  ///< multiplications and additions with them
};
using OpRecord = std::array<OpTotals, kOps>;  ///< by Op

class ProfiledBackend final : public ForwardingBackend {
 public:
  /// Adds to `record`, which must outlive it.
  ProfiledBackend(std::unique_ptr<Backend> inner, const BackendLimits& limits, OpRecord& record);

  void embed(const Weight& table, std::span<const int32_t> ids, Activation& out) override;
  void rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
               Activation& out) override;
  void matmul(const Activation& x, int64_t first, int64_t rows,
              std::span<const Projection> projections) override;
  void attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                 const AttentionShape& shape, KvCache& cache, int64_t layer, int64_t position,
                 Activation& out) override;
  void shift(KvCache& cache, int64_t first, int64_t end, int64_t by, double rope_theta) override;
  void moe_ffn(const Activation& x, int64_t rows, const Weight& router,
               std::span<const Expert> experts, int64_t top_k, Activation& out,
               Routing* routing) override;
  void ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) override;
  void add(const Activation& y, int64_t rows, Activation& x) override;
  void read(const Activation& x, int64_t first, int64_t rows, std::span<float> host) override;

 private:
  /// Runs call() and adds its time to `op`; the caller adds the work to what it returns.
  template <class Call>
  OpTotals& timed(Op op, Call&& call);
  /// What a product is for, from its place behind other ops.
  Op product(std::span<const Projection> projections) const;

  OpRecord& record_;
  Op last_ = Op::kRead;
  Routing routing_;            // of a call that does not want to know
  std::vector<int64_t> uses_;  // [experts] rows of each expert in a call
};

/// Passes everything on to `inner`; what its backends do is added to `record`. Both must outlive it
/// and them.
class ProfiledDevice final : public ForwardingDevice {
 public:
  ProfiledDevice(Device& inner, OpRecord& record) : ForwardingDevice(inner), record_(record) {}
  std::unique_ptr<Backend> backend(const BackendLimits& limits) override {
    return std::make_unique<ProfiledBackend>(inner_.backend(limits), limits, record_);
  }

 private:
  OpRecord& record_;
};

}  // namespace octavo
