// The op interface: what the forward pass needs of a device. model/ knows nothing else.
//
// Activations are float32 [rows, cols], rows = tokens, so prefill and decode are one path. Shapes
// are fixed when a Backend is made; after that no op allocates or fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/kv_shape.h"
#include "core/tensor.h"
#include "octavo/machine.hpp"

namespace octavo {

/// A tensor in the memory of a device. On the CPU: the mapped file itself.
class Weight {
 public:
  virtual ~Weight() = default;
  virtual int64_t rows() const = 0;
  virtual int64_t cols() const = 0;
  virtual int64_t bytes() const = 0;  ///< that a product with it reads
};
using WeightPtr = std::shared_ptr<const Weight>;

/// float32 [capacity, cols] in the memory of a device.
class Activation {
 public:
  virtual ~Activation() = default;
  virtual int64_t capacity() const = 0;  ///< rows
  virtual int64_t cols() const = 0;
};
using ActivationPtr = std::unique_ptr<Activation>;

/// Keys and values of one sequence, all layers. Memory is taken as positions are written.
class KvCache {
 public:
  virtual ~KvCache() = default;
  virtual const KvShape& shape() const = 0;
  /// Newest positions that are held: the context, with a window at least that many.
  virtual int64_t capacity() const = 0;
  /// Bytes held now; what is shared with other caches counts in full.
  virtual int64_t bytes() const = 0;
  /// A cache with the same entries. They are shared until one of the two writes near them; the two
  /// may then be used by different threads.
  virtual std::unique_ptr<KvCache> fork() const = 0;
  /// Copies positions [first, first + count) of `layer` to the host: [count, 2 (key, value),
  /// kv_heads, kv_head_bytes], the numbers of the cache's type. They are held: written, and among
  /// the last capacity() that were.
  virtual void read(int64_t layer, int64_t first, int64_t count,
                    std::span<std::byte> host) const = 0;
  /// The way back.
  virtual void write(int64_t layer, int64_t first, int64_t count,
                     std::span<const std::byte> host) = 0;
};
using KvCachePtr = std::unique_ptr<KvCache>;

/// out[rows, weight.rows] = x * weight^T
struct Projection {
  const Weight* weight;
  Activation* out;
};

/// One SwiGLU expert: w2( silu(w1 x) * (w3 x) ). w1, w3 [ffn, dim]; w2 [dim, ffn].
struct Expert {
  WeightPtr w1, w3, w2;
};

/// What the router decided, copied to the host when asked for.
struct Routing {
  int64_t rows = 0;
  std::vector<float> logits;     ///< [rows, experts]
  std::vector<int32_t> experts;  ///< [rows, top_k], best first
  std::vector<float> weights;    ///< [rows, top_k], sum 1
};

struct AttentionShape {
  int64_t heads = 0;  ///< query heads; kv heads, head size and window are the cache's
  double rope_theta = 0;
};

/// Upper bounds of what one Backend will be asked for; scratch is sized by them once.
struct BackendLimits {
  int64_t rows = 1;  ///< tokens in one op
  int64_t cols = 1;  ///< widest input of a matmul
  int64_t ffn_dim = 1;
  int64_t heads = 1;  ///< query heads
  int64_t experts = 1;
  int64_t top_k = 1;
  int64_t context = 1;
  int threads = 0;  ///< 0: as many as the processors
};

/// The ops of one device, for one caller at a time, with its own scratch memory.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual ActivationPtr activation(int64_t rows, int64_t cols) = 0;
  virtual KvCachePtr kv_cache(const KvShape& shape) = 0;

  /// out[i] = row ids[i] of table. ids are valid.
  virtual void embed(const Weight& table, std::span<const int32_t> ids, Activation& out) = 0;
  /// out = x / sqrt(mean(x^2) + eps) * gain, row by row, in f32. out may be x.
  virtual void rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
                       Activation& out) = 0;
  /// Every projection of rows [first, first + rows) of x, into rows [0, rows) of its out.
  virtual void matmul(const Activation& x, int64_t first, int64_t rows,
                      std::span<const Projection> projections) = 0;
  /// Rotates q and k (half-split pairs), appends k and v at positions [position, position + rows)
  /// of `layer`, then out[i] = softmax(q[i] K^T / sqrt(head_dim)) V over the keys that row i may
  /// see. q is overwritten. q, out [rows, heads * head_dim]; k, v [rows, kv_heads * head_dim].
  virtual void attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                         const AttentionShape& shape, KvCache& cache, int64_t layer,
                         int64_t position, Activation& out) = 0;
  /// Moves the entries of all layers at positions [first, end), which are held, `by` positions
  /// down: keys are rotated back by as many and rounded to the cache's type again. With a window
  /// all that is to be seen later must be among them. Takes memory of its own while it runs.
  virtual void shift(KvCache& cache, int64_t first, int64_t end, int64_t by, double rope_theta) = 0;
  /// Router in f32, top_k of the logits (ties to the lower index), softmax over those, weighted sum
  /// of the chosen experts only. `routing` may be null. out must not be x.
  virtual void moe_ffn(const Activation& x, int64_t rows, const Weight& router,
                       std::span<const Expert> experts, int64_t top_k, Activation& out,
                       Routing* routing) = 0;
  /// The dense FFN: one expert for every row. out must not be x.
  virtual void ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) = 0;
  /// x += y
  virtual void add(const Activation& y, int64_t rows, Activation& x) = 0;
  /// Copies rows [first, first + rows) to the host: the only synchronisation.
  virtual void read(const Activation& x, int64_t first, int64_t rows, std::span<float> host) = 0;
  /// Copies host values into rows [0, rows) (tests, saved states).
  virtual void write(std::span<const float> host, int64_t rows, Activation& x) = 0;
  /// Rows that a pass may have so that each gets, to the bit, what it would get alone.
  virtual int64_t independent_rows() const { return 1; }
};

/// Where a tensor belongs in the model, for devices that are made of several.
struct WeightPlace {
  int64_t layer = 0;    ///< the embedding's is the first, the output's and the last norm's the last
  bool expert = false;  ///< of the mixture, its router included
};

/// A device of this machine: holds weights and makes Backends. Safe to use from several threads.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;    ///< "cpu"
  virtual std::string description() const = 0;  ///< "cpu, avx3_dl, 2 processors"
  virtual WeightPtr load(const TensorView& tensor) = 0;
  /// The same for a tensor of a model.
  virtual WeightPtr place(const TensorView& tensor, const WeightPlace&) { return load(tensor); }
  virtual std::unique_ptr<Backend> backend(const BackendLimits& limits) = 0;
  /// What measure_device() gives; `threads` as there, for a device that has any.
  virtual MachineSpeed measure(int threads) = 0;
  /// The kind of unit of `speed` that most of a prefill with weights of `format` runs on.
  virtual std::string_view prefill_unit(Format format, const MachineSpeed& speed) const = 0;
  virtual DeviceMemory memory() const = 0;
};

/// Names of the backends in this build, best known first; a name may still have no device here.
std::vector<std::string> backend_names();
/// Throws Error(kUnsupported) for an unknown name or when the machine has no such device.
std::shared_ptr<Device> make_device(std::string_view name);

/// Which part of a model a GPU takes; the CPU computes the rest.
struct Offload {
  int64_t gpu_layers = -1;      ///< the last so many, and the output with them; -1: all
  bool experts_on_cpu = false;  ///< the GPU's layers too leave their experts to the CPU
};
/// The device for a model of `layers` layers. Throws also Error(kInvalidArgument) when `offload`
/// asks for parts on a device that is no GPU.
std::shared_ptr<Device> make_device(std::string_view name, const Offload& offload, int64_t layers);

}  // namespace octavo
