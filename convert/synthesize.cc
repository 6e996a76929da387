// Models of random weights, made straight as packed tiles.
#include "octavo/synthesize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "convert/panel_stream.h"
#include "convert/plan.h"
#include "convert/random.h"
#include "convert/source.h"
#include "convert/window.h"
#include "core/error.h"
#include "io/contents.h"
#include "quant/float16.h"
#include "quant/packed.h"
#include "quant/rows.h"
#include "quant/tile.h"

namespace octavo {
namespace {

constexpr float kNibbleDeviation = 4.61f;    // of uniform 0..15
constexpr float kFiveBitDeviation = 9.23f;   // of uniform 0..31
constexpr float kSixBitDeviation = 18.48f;   // of uniform -32..31
constexpr float kByteDeviation = 73.6f;      // of uniform -127..127
constexpr float kUniformDeviation = 0.577f;  // of uniform -1..1

void fill_random(Random& random, uint8_t* dst, int count) {
  for (int i = 0; i < count; i += 8) {
    const uint64_t bits = random.next();
    std::memcpy(dst + i, &bits, 8);
  }
}

void put_f16(uint8_t* dst, float value) {
  const uint16_t bits = f32_to_f16(value);
  std::memcpy(dst, &bits, 2);
}

// q8_0 and q4_0: scales of random sign, so that the lopsided range of four bits has mean zero.
void fill_block_tile(Format format, float deviation, Random& random, uint8_t* tile) {
  const bool is_q8 = format == Format::kQ8_0;
  const float d = deviation / (is_q8 ? kByteDeviation : kNibbleDeviation);
  const uint64_t signs = random.next();
  for (int b = 0; b < 2; ++b) {
    for (int r = 0; r < kPanelRows; ++r) {
      const bool negative = !is_q8 && (signs >> (b * kPanelRows + r) & 1) != 0;
      put_f16(tile + tile::scale_at(r, b), negative ? -d : d);
    }
  }
  const int count = traits(format).tile_bytes - tile::kBlockQuants;
  uint8_t* quants = tile + tile::kBlockQuants;
  fill_random(random, quants, count);
  if (!is_q8) return;
  for (int i = 0; i < count; ++i) quants[i] = std::max<uint8_t>(quants[i], 1);  // no -128
}

// q4_k, q5_k: the min of a sub-block is half of its scale's range, so its values are, in q4_k,
// d * scale * (q - 7.5).
void fill_super_tile(Format format, float deviation, Random& random, uint8_t* tile) {
  constexpr float kMeanScale = 47.5f;  // of 32..63
  const bool is_q4 = format == Format::kQ4_K;
  const float d = deviation / ((is_q4 ? kNibbleDeviation : kFiveBitDeviation) * kMeanScale);
  for (int r = 0; r < kPanelRows; ++r) {
    put_f16(tile + 2 * r, d);
    put_f16(tile + 2 * (kPanelRows + r), (is_q4 ? 7.5f : 15.5f) * d);
  }
  std::memset(tile + tile::kSuperScales, 0, tile::kSuperQuants - tile::kSuperScales);
  for (int j = 0; j < 8; ++j) {
    const uint64_t bits = random.next();
    for (int r = 0; r < kPanelRows; ++r) {
      const int low = static_cast<int>(bits >> (4 * r) & 15);
      const int high = 2 + static_cast<int>(bits >> (4 * r + 3) & 1);
      tile[tile::super_low_at(r, j)] = static_cast<uint8_t>(low | low << 4);
      uint8_t& high_bits = tile[tile::super_high_at(r, j)];
      high_bits = static_cast<uint8_t>(high_bits | (high | high << 4) << tile::super_high_shift(j));
    }
  }
  fill_random(random, tile + tile::kSuperQuants, traits(format).tile_bytes - tile::kSuperQuants);
}

// q6_k: scales of random sign and of 64..127.
void fill_six_tile(float deviation, Random& random, uint8_t* tile) {
  constexpr float kMeanScale = 95.5f;
  std::memset(tile, 0, tile::kSixScales);
  for (int r = 0; r < kPanelRows; ++r) {
    put_f16(tile + 2 * r, deviation / (kSixBitDeviation * kMeanScale));
  }
  uint8_t* scales = tile + tile::kSixScales;
  fill_random(random, scales, tile::kSixQuants - tile::kSixScales);
  for (int i = 0; i < tile::kSixQuants - tile::kSixScales; ++i) {
    const int magnitude = 64 + scales[i] % 64;
    scales[i] = static_cast<uint8_t>(scales[i] < 128 ? magnitude : -magnitude);
  }
  fill_random(random, tile + tile::kSixQuants, traits(Format::kQ6_K).tile_bytes - tile::kSixQuants);
}

void fill_float_tile(Format format, float deviation, Random& random, uint8_t* tile) {
  const FormatTraits& t = traits(format);
  const float scale = deviation / kUniformDeviation;
  for (int at = 0; at < t.tile_bytes; at += t.block_bytes) {
    const float value = scale * random.uniform();
    if (format == Format::kF32) {
      std::memcpy(tile + at, &value, 4);
      continue;
    }
    const uint16_t bits = format == Format::kF16 ? f32_to_f16(value) : f32_to_bf16(value);
    std::memcpy(tile + at, &bits, 2);
  }
}

void fill_tile(Format format, float deviation, Random& random, uint8_t* tile) {
  switch (format) {
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16:
      return fill_float_tile(format, deviation, random, tile);
    case Format::kQ8_0:
    case Format::kQ4_0:
      return fill_block_tile(format, deviation, random, tile);
    case Format::kQ4_K:
    case Format::kQ5_K:
      return fill_super_tile(format, deviation, random, tile);
    case Format::kQ6_K:
      return fill_six_tile(deviation, random, tile);
  }
}

class RandomMaker : public PanelMaker {
 public:
  RandomMaker(const SynthOptions& options, int64_t output_bytes)
      : options_(options), output_bytes_(output_bytes) {}

  void begin(const TensorEntry& entry, size_t index, int threads) override {
    entry_ = &entry;
    index_ = index;
    // Unit variance in, unit variance out; the embedding itself is of unit variance.
    const bool is_embedding = entry.name == "embedding";
    deviation_ = is_embedding ? 1 : 1 / std::sqrt(static_cast<float>(entry.cols));
    scratch_.resize(static_cast<size_t>(threads));
    for (Scratch& scratch : scratch_) {
      scratch.values.resize(static_cast<size_t>(entry.cols));
      scratch.rows.resize(static_cast<size_t>(row_bytes(entry.format, entry.cols) * kPanelRows));
    }
  }

  void make(int64_t panel, int thread, std::byte* dst) override {
    const FormatTraits& t = traits(entry_->format);
    const int64_t rows = std::min<int64_t>(kPanelRows, entry_->rows - panel * kPanelRows);
    Random random(options_.seed ^ index_ << 40, static_cast<uint64_t>(panel));
    if (entry_->order == Order::kPlain) return make_norm(dst);
    if (rows < kPanelRows || entry_->cols % t.tile_cols != 0) {
      return make_partial(static_cast<int>(rows), random, scratch_[static_cast<size_t>(thread)],
                          dst);
    }
    for (int64_t i = 0; i < packed_tiles(entry_->format, entry_->cols); ++i, dst += t.tile_bytes) {
      fill_tile(entry_->format, deviation_, random, reinterpret_cast<uint8_t*>(dst));
    }
  }

  void check() override {}

  void skip(size_t) override {}

  bool done(int64_t first, int64_t last) override {
    done_bytes_ += (last - first) * panel_shape(*entry_).bytes;
    return !options_.progress || options_.progress(done_bytes_, output_bytes_);
  }

 private:
  struct Scratch {
    std::vector<float> values;
    std::vector<std::byte> rows;
  };

  void make_norm(std::byte* dst) const {
    const float one = 1;
    for (int64_t i = 0; i < entry_->cols; ++i) std::memcpy(dst + 4 * i, &one, 4);
  }

  // A panel with padding, the long way round.
  void make_partial(int rows, Random& random, Scratch& scratch, std::byte* dst) const {
    const int64_t stride = row_bytes(entry_->format, entry_->cols);
    for (int r = 0; r < rows; ++r) {
      for (float& value : scratch.values) {
        value = deviation_ / kUniformDeviation * random.uniform();
      }
      quantize_row_nearest(entry_->format, scratch.values, scratch.rows.data() + r * stride);
    }
    pack_panel(entry_->format, scratch.rows.data(), stride, rows, entry_->cols, dst);
  }

  const SynthOptions& options_;
  const int64_t output_bytes_;
  const TensorEntry* entry_ = nullptr;
  uint64_t index_ = 0;
  float deviation_ = 0;
  int64_t done_bytes_ = 0;
  std::vector<Scratch> scratch_;
};

}  // namespace

ConvertSummary synthesize(const SynthOptions& options) {
  validate(options.config);
  const std::string wanted = recipe_wanted(options.type, options.recipe, "q4_0");
  ModelDirectory directory =
      plan_directory(options.config, make_recipe(wanted, options.type_for, options.config),
                     [](const TensorEntry&, size_t) { return Format::kQ4_0; });
  directory.source = fmt::format("random weights, seed {}", options.seed);
  directory.notes.push_back("random weights: for measurements, not for text");
  ModelWriter writer(options.output, std::move(directory));
  int64_t bytes = 0;
  for (const TensorEntry& entry : writer.directory().tensors) bytes += entry.bytes;
  RandomMaker maker(options, bytes);
  if (!stream_panels(writer, maker, options.threads)) {
    fail(ErrorCode::kCancelled, "cancelled; {} was not written", options.output);
  }
  ConvertSummary summary;
  summary.contents = contents_of(writer.directory(), writer.file_size());
  return summary;
}

ModelConfig read_checkpoint_config(const std::string& path,
                                   const std::function<void(const std::string&)>& warn) {
  std::vector<std::string> notes;
  ModelConfig config = read_hf_config(path, notes);
  const std::string line = settle_window(config, std::nullopt);
  if (warn && !line.empty()) warn(line);
  return config;
}

ModelConfig mixtral_8x7b_config() {
  return {.architecture = "mixtral",
          .dim = 4096,
          .layers = 32,
          .heads = 32,
          .kv_heads = 8,
          .head_dim = 128,
          .ffn_dim = 14336,
          .experts = 8,
          .experts_per_token = 2,
          .vocab = 32000,
          .context = 32768,
          .rope_theta = 1e6,
          .norm_eps = 1e-5};
}

}  // namespace octavo
