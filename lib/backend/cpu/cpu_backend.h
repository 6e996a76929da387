// The ops on the CPU: work split over threads, vector kernels underneath.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/cpu_device.h"
#include "backend/cpu/cpu_kv_cache.h"
#include "backend/cpu/dense_matmul.h"
#include "backend/cpu/memory.h"
#include "backend/cpu/packed_rows.h"
#include "backend/cpu/sequence_parts.h"
#include "core/parallel.h"
#include "core/team.h"
#include "simd/kernels.h"

namespace octavo {

class CpuActivation final : public Activation {
 public:
  CpuActivation(int64_t rows, int64_t cols) : rows_(rows), cols_(cols), values_(rows * cols) {}
  int64_t capacity() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  float* row(int64_t r) const { return values_.data() + r * cols_; }

 private:
  int64_t rows_, cols_;
  PageArray<float> values_;
};

/// The input of a product: rows of floats, and the same rows quantized where a weight asks for it.
struct Operand {
  const float* x;
  int64_t stride;
  Q8Rows q8;
  int64_t rows;

  /// Rows [first, first + count).
  Operand slice(int64_t first, int64_t count) const;
};

/// Owned storage of a Q8Rows.
class Q8Scratch {
 public:
  Q8Scratch(int64_t rows, int64_t cols);
  /// Room for rows of `cols` values.
  Q8Rows rows(int64_t cols) const;

 private:
  PageArray<int8_t> q_;
  PageArray<float> scale_;
  PageArray<int32_t> sum_, half_sum_;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(const BackendLimits& limits, const Kernels& kernels);

  ActivationPtr activation(int64_t rows, int64_t cols) override;
  KvCachePtr kv_cache(const KvShape& shape) override;
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
  void write(std::span<const float> host, int64_t rows, Activation& x) override;
  int64_t independent_rows() const override { return kFewTokens; }

 private:
  /// Rows that go through the experts together; bounds the scratch of the widest layer.
  static constexpr int64_t kWave = 512;
  /// Most panels that a thread takes through w1, w3 and SwiGLU at a time, and the dense library at
  /// a time.
  static constexpr int64_t kThreadBlock = 8, kDenseBlock = 64;
  static constexpr size_t kMostProjections = 3;
  /// Fewer rows are not worth unpacking the weights for.
  static constexpr int64_t kPackedLeastRows = 16;
  /// Panels of a piece of work; hidden rows that stay in the second-level cache.
  static constexpr int64_t kPackedPiece = 4, kPackedHiddenRows = 128;
  /// Query rows (tokens times the heads of a group) that attend together at most, and with few
  /// rows for many threads.
  static constexpr int64_t kTileRows = 512, kSmallTileRows = 64;
  /// Fewer tokens than any kernel of many rows takes: each gets the bits that it would alone. More
  /// make work for all threads without parts of the sequence.
  static constexpr int64_t kFewTokens = std::min(kPackedLeastRows, DenseMatmul::kLeastRows) - 1;

  /// The rows of one expert within a wave.
  struct Segment {
    const Expert* expert;
    int64_t first, rows;
    Segment after(int64_t done) const { return {expert, first + done, rows - done}; }
  };
  /// The rows of one expert that go through the kernels of many rows.
  struct PackedSegment {
    const Expert* expert;
    int64_t first, rows;    ///< slots
    PackedRows in, hidden;  ///< [rows, dim], [rows, ffn]
  };

  /// Query rows of one call: row r is the token at position + r.
  struct Queries {
    const CpuActivation &q, &out;
    CpuKvCache& cache;
    int64_t layer, position;
    int64_t group;  // query heads of a kv head
    float scale;
  };

  /// What a part of the sequence gives the rows of a kv head (AttendTile::largest).
  struct PartialRows {
    float* sums;     ///< [rows * group, head_dim]
    float* largest;  ///< [rows * group]
    float* total;    ///< [rows * group]
  };

  /// Runs body(thread, threads) on the team, or on the calling thread when there is too little to
  /// do. `work` counts values, or multiplications by kProductWork.
  template <class Body>
  void run(int64_t work, Body&& body) {
    if (work < kWorthThreads) {
      body(0, 1);
    } else {
      team_.run(body);
    }
  }
  /// Panels of a matrix that a thread takes at a time: enough to read on in one run, few enough to
  /// share the rest.
  static int64_t panels_at_a_time(const CpuWeight& w);
  /// Runs body(begin, end, thread) over `count` items, `step` at a time, as run() would.
  template <class Body>
  void run_shares(int64_t work, int64_t count, int64_t step, Body&& body) {
    if (work < kWorthThreads) {
      body(0, count, 0);
    } else {
      team_.run_shares(count, step, body);
    }
  }
  /// Runs body(row) for each row of `cols` values.
  template <class Body>
  void for_rows(int64_t rows, int64_t cols, Body&& body) {
    run(rows * cols, [&](int thread, int count) {
      const auto [begin, end] = share(rows, thread, count);
      for (int64_t r = begin; r < end; ++r) body(r);
    });
  }
  void quantize(const float* x, int64_t stride, int64_t rows, int64_t cols, const Q8Rows& out);
  /// Panels [begin, end) of w for all rows of x, by the own kernels on the calling thread.
  void multiply(const CpuWeight& w, int64_t begin, int64_t end, const Operand& x, float* y,
                int64_t y_stride);
  /// The same through the dense library on all threads; returns the leading rows it computed.
  int64_t multiply_dense(const CpuWeight& w, int64_t begin, int64_t end, const Operand& x, float* y,
                         int64_t y_stride);

  /// How the rows of a product with w are packed; kNone: the other kernels take it.
  RowPacking packing(const Weight& w, int64_t rows) const;
  void multiply_packed(const Weight& w, int64_t begin, int64_t end, const PackedRows& x,
                       int64_t rows, float* y, int64_t y_stride);
  /// Those of the projections whose rows are packed.
  void matmul_packed(const CpuActivation& x, int64_t first, int64_t rows,
                     std::span<const Projection> projections);
  void hidden_group(const PackedSegment& segment, int64_t group, int thread);
  /// False: the other kernels take it.
  bool add_packed_segment(const Expert& expert, int64_t first, int64_t rows);
  void run_packed_segments(const CpuActivation& x);

  void prepare_rotation(int64_t rows, int64_t half, double theta, int64_t position);
  /// Rotates queries and keys, and puts keys and values into the cache.
  void append_rows(const Queries& queries, Activation& k, const Activation& v, int64_t first,
                   int64_t rows);
  /// Rotates the keys of `entries`, as KvCache::read gave them, by the angles of each position.
  void rotate_entries(std::span<std::byte> entries, const CpuKvCache& cache, const float* cosine,
                      const float* sine);
  std::span<KvBlock> thread_blocks(int thread) {
    const size_t each = blocks_.size() / static_cast<size_t>(team_.size());
    return std::span(blocks_).subspan(static_cast<size_t>(thread) * each, each);
  }
  /// Rows [first, first + rows) of one kv head, without blocks yet.
  AttendTile query_tile(const Queries& queries, int64_t first, int64_t rows, int64_t h) const;
  /// Tokens that attend together where each must get the bits that it would alone.
  static int64_t few_tokens(int64_t group) { return std::max<int64_t>(1, kMostFewRows / group); }
  /// Lets the tile attend to the positions [oldest, newest].
  void attend_tile(const Queries& queries, AttendTile& tile, int thread, int64_t h, int64_t oldest,
                   int64_t newest);
  int64_t tile_tokens(int64_t rows, int64_t group, int64_t kv_heads) const;
  /// Rows [first, first + rows), whose keys are in the cache.
  void attend_rows(const Queries& queries, int64_t first, int64_t rows);
  static int64_t attention_work(const Queries& queries, int64_t first, int64_t rows);
  /// The same for a few rows: all parts of all kv heads, then their sums.
  void attend_parts(const Queries& queries, const SequenceParts& parts, int64_t first,
                    int64_t rows);
  PartialRows partial_rows(const Queries& queries, int64_t piece, int64_t rows) const;
  void attend_part(const Queries& queries, const SequenceParts& parts, int thread, int64_t piece,
                   int64_t first, int64_t rows);
  void merge_parts(const Queries& queries, const SequenceParts& parts, int64_t first, int64_t rows,
                   int64_t h);

  void route(const CpuActivation& x, int64_t rows, const CpuWeight& router, int64_t top_k);
  void sort_slots(int64_t experts);
  void run_experts(const CpuActivation& x, std::span<const Expert> experts, CpuActivation& out);
  void run_waves(const CpuActivation& x, std::span<const Expert> experts, int64_t begin,
                 int64_t end);
  void run_wave(const CpuActivation& x, std::span<const Expert> experts, int64_t first,
                int64_t rows);
  void quantize_for(std::span<const Segment> segments, WeightPtr Expert::*matrix, const Operand& x,
                    int64_t cols);
  void hidden_panels(const Segment& segment, const Operand& x, int64_t begin, int64_t end,
                     int thread);
  /// The rows of each segment that the dense library left, through panels [begin, end) of all
  /// segments' matrices of `panels` panels: body(segment, first, last).
  template <class Body>
  void for_segments(int64_t panels, int64_t begin, int64_t end, Body&& body) const {
    for (size_t i = begin / panels; begin < end; ++i) {
      const int64_t before = static_cast<int64_t>(i) * panels;
      const int64_t last = std::min(end, before + panels);
      const Segment rest = segments_[i].after(dense_rows_[i]);
      if (rest.rows > 0) body(rest, begin - before, last - before);
      begin = last;
    }
  }
  int64_t hidden_dense(const Segment& segment, const Operand& x);

  /// Below this many values a second thread costs more than it gives.
  static constexpr int64_t kWorthThreads = 32768;
  /// Multiplications that take as long as an operation on one value.
  static constexpr int64_t kProductWork = 8;

  const BackendLimits limits_;
  const Kernels& kernels_;
  Team team_;
  DenseMatmul dense_;

  Q8Scratch q8_;                          // inputs of a product
  PackedScratch packed_in_, packed_out_;  // inputs of products of many rows: [.., cols], [.., ffn]
  PageArray<float> packed_hidden_;        // [threads, 2, kPackedHiddenRows, kPackedCols] w1 x, w3 x
  PageArray<float> gathered_;             // [kWave, dim] inputs of the experts, sorted by expert
  PageArray<float> hidden_;               // [kWave, ffn] silu(w1 x) * (w3 x)
  PageArray<float> up_;                   // [kWave, block] w3 x of a few panels, for each thread
  PageArray<float> down_;                 // [rows * top_k, dim] outputs of the experts
  PageArray<float> partial_;              // [parts, kv_heads] of PartialRows
  std::unique_ptr<std::atomic<int64_t>[]> parts_done_;  // [kv_heads]
  PageArray<float> tiles_;  // [threads, tile_floats_] scratch of attend_tile
  int64_t tile_floats_ = 0;
  std::vector<KvBlock> blocks_;     // [threads, most_blocks of the cache]
  std::vector<std::byte> entries_;  // [threads, 2, cache_entry_bytes]
  PageArray<float> cosine_, sine_;  // [rows, head_dim / 2]
  struct {
    int64_t rows = 0, half = 0, position = -1;
    double theta = 0;
  } rotation_;

  Routing decided_;
  // A use is (row, rank); slots are the uses sorted by expert.
  std::vector<int64_t> slot_of_, slot_row_, dense_rows_;
  std::vector<int32_t> slot_expert_;
  std::vector<int64_t> expert_first_;  // [experts + 1]
  std::vector<Segment> segments_;
  std::vector<PackedSegment> packed_segments_;
};

}  // namespace octavo
