#include "support/checkpoint.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "quant/float16.h"
#include "support/files.h"
#include "support/random.h"
#include "support/safetensors.h"

namespace octavo::test {
namespace {

class CheckpointBuilder {
 public:
  CheckpointBuilder(uint64_t seed, Format stored) : random_(seed), stored_(stored) {}

  void matrix(std::string name, int64_t rows, int64_t cols, double deviation) {
    std::string bytes;
    for (int64_t i = 0; i < rows * cols; ++i)
      append(bytes, static_cast<float>(deviation) * random_.normal());
    tensors_.push_back({std::move(name), dtype(), {rows, cols}, std::move(bytes)});
  }
  void gain(std::string name, int64_t cols) {
    std::string bytes;
    for (int64_t i = 0; i < cols; ++i) append(bytes, 1 + 0.2f * random_.normal());
    tensors_.push_back({std::move(name), dtype(), {cols}, std::move(bytes)});
  }
  const std::vector<SafeTensor>& tensors() const { return tensors_; }

 private:
  std::string dtype() const {
    return stored_ == Format::kF32 ? "F32" : stored_ == Format::kF16 ? "F16" : "BF16";
  }
  void append(std::string& bytes, float value) {
    const uint16_t half = stored_ == Format::kF16 ? f32_to_f16(value) : f32_to_bf16(value);
    const void* from = stored_ == Format::kF32 ? static_cast<const void*>(&value) : &half;
    bytes.append(static_cast<const char*>(from), stored_ == Format::kF32 ? 4 : 2);
  }

  Random random_;
  Format stored_;
  std::vector<SafeTensor> tensors_;
};

double fan_in(int64_t cols) { return 1 / std::sqrt(static_cast<double>(cols)); }

void add_layer(CheckpointBuilder& builder, const ModelConfig& config, int64_t layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const int64_t q = config.heads * config.head_dim, kv = config.kv_heads * config.head_dim;
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols) {
    builder.matrix(prefix + name, rows, cols, fan_in(cols));
  };
  builder.gain(prefix + "input_layernorm.weight", config.dim);
  // Larger queries and keys than fan_in gives: attention that chooses instead of averaging.
  builder.matrix(prefix + "self_attn.q_proj.weight", q, config.dim, 1.5 * fan_in(config.dim));
  builder.matrix(prefix + "self_attn.k_proj.weight", kv, config.dim, 1.5 * fan_in(config.dim));
  matrix("self_attn.v_proj.weight", kv, config.dim);
  matrix("self_attn.o_proj.weight", config.dim, q);
  builder.gain(prefix + "post_attention_layernorm.weight", config.dim);
  if (config.experts == 0) {
    matrix("mlp.gate_proj.weight", config.ffn_dim, config.dim);
    matrix("mlp.up_proj.weight", config.ffn_dim, config.dim);
    matrix("mlp.down_proj.weight", config.dim, config.ffn_dim);
    return;
  }
  matrix("block_sparse_moe.gate.weight", config.experts, config.dim);
  for (int64_t e = 0; e < config.experts; ++e) {
    const std::string expert = fmt::format("block_sparse_moe.experts.{}.", e);
    matrix(expert + "w1.weight", config.ffn_dim, config.dim);
    matrix(expert + "w3.weight", config.ffn_dim, config.dim);
    matrix(expert + "w2.weight", config.dim, config.ffn_dim);
  }
}

nlohmann::json hf_config(const ModelConfig& config) {
  nlohmann::json json = {{"hidden_act", "silu"},
                         {"hidden_size", config.dim},
                         {"intermediate_size", config.ffn_dim},
                         {"max_position_embeddings", config.context},
                         {"num_attention_heads", config.heads},
                         {"num_hidden_layers", config.layers},
                         {"num_key_value_heads", config.kv_heads},
                         {"head_dim", config.head_dim},
                         {"rms_norm_eps", config.norm_eps},
                         {"rope_theta", config.rope_theta},
                         {"tie_word_embeddings", config.tied_output},
                         {"vocab_size", config.vocab},
                         {"bos_token_id", config.bos},
                         {"eos_token_id", config.eos}};
  json["sliding_window"] = config.window == 0 ? nlohmann::json() : nlohmann::json(config.window);
  const bool mixture = config.experts > 0;
  json["model_type"] = mixture ? "mixtral" : "mistral";
  json["architectures"] = {mixture ? "MixtralForCausalLM" : "MistralForCausalLM"};
  if (mixture) {
    json["num_local_experts"] = config.experts;
    json["num_experts_per_tok"] = config.experts_per_token;
  }
  return json;
}

}  // namespace

void write_random_checkpoint(const std::filesystem::path& folder, const ModelConfig& config,
                             uint64_t seed, Format stored) {
  CheckpointBuilder builder(seed, stored);
  builder.matrix("model.embed_tokens.weight", config.vocab, config.dim, 1);
  for (int64_t layer = 0; layer < config.layers; ++layer) add_layer(builder, config, layer);
  builder.gain("model.norm.weight", config.dim);
  if (!config.tied_output) {
    builder.matrix("lm_head.weight", config.vocab, config.dim, fan_in(config.dim));
  }
  std::filesystem::create_directories(folder);
  write_file(folder / "config.json", hf_config(config).dump(1));
  write_safetensors(folder / "model.safetensors", builder.tensors());
}

void write_stories_checkpoint(const std::filesystem::path& folder) {
  const std::filesystem::path source = test_data("stories260K-moe8");
  const std::string kept = ".experts.0.";
  std::vector<SafeTensor> tensors = read_safetensors(source / "one-expert.safetensors");
  const size_t stored = tensors.size();
  for (size_t i = 0; i < stored; ++i) {
    const size_t at = tensors[i].name.find(kept);
    if (at == std::string::npos) continue;
    for (int e = 1; e < 8; ++e) {
      SafeTensor copy = tensors[i];
      copy.name.replace(at, kept.size(), fmt::format(".experts.{}.", e));
      tensors.push_back(std::move(copy));
    }
  }
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "model.safetensors", tensors);
  for (const char* name : {"config.json", "tokenizer.model"}) {
    write_file(folder / name, read_file(source / name));
  }
}

}  // namespace octavo::test
