// Writes a checkpoint of random bf16 weights in Mixtral 8x7B's shape as Hugging Face shards it, of
// any number of layers: a source that is large enough to measure the converter with.
//   make_shards FOLDER LAYERS     (2.9 GB a layer and 0.5 GB beside)
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "octavo/synthesize.hpp"
#include "quant/float16.h"
#include "support/random.h"

namespace octavo::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kShardBytes = int64_t{4900} << 20;

struct Tensor {
  std::string name;
  int64_t rows, cols;  // rows 0: a vector
  int64_t bytes() const { return std::max<int64_t>(rows, 1) * cols * 2; }
};

// In the order in which Hugging Face's shards have them.
std::vector<Tensor> tensors_of(const ModelConfig& c) {
  std::vector<Tensor> list = {{"model.embed_tokens.weight", c.vocab, c.dim}};
  const int64_t q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    list.push_back({prefix + "block_sparse_moe.gate.weight", c.experts, c.dim});
    for (int64_t e = 0; e < c.experts; ++e) {
      const std::string expert = fmt::format("{}block_sparse_moe.experts.{}.", prefix, e);
      list.push_back({expert + "w1.weight", c.ffn_dim, c.dim});
      list.push_back({expert + "w2.weight", c.dim, c.ffn_dim});
      list.push_back({expert + "w3.weight", c.ffn_dim, c.dim});
    }
    list.push_back({prefix + "input_layernorm.weight", 0, c.dim});
    list.push_back({prefix + "post_attention_layernorm.weight", 0, c.dim});
    list.push_back({prefix + "self_attn.k_proj.weight", kv, c.dim});
    list.push_back({prefix + "self_attn.o_proj.weight", c.dim, q});
    list.push_back({prefix + "self_attn.q_proj.weight", q, c.dim});
    list.push_back({prefix + "self_attn.v_proj.weight", kv, c.dim});
  }
  list.push_back({"model.norm.weight", 0, c.dim});
  list.push_back({"lm_head.weight", c.vocab, c.dim});
  return list;
}

// Normal values cost a while, so tensors are cut from one stock, each from a place of its own.
class Stock {
 public:
  explicit Stock(double deviation) {
    Random random(1);
    for (uint16_t& bits : values_)
      bits = f32_to_bf16(static_cast<float>(deviation) * random.normal());
  }
  void write(std::ofstream& file, int64_t bytes) {
    while (bytes > 0) {
      at_ = (at_ + 1000003) % (values_.size() / 2);
      const int64_t step = std::min<int64_t>(bytes, static_cast<int64_t>(values_.size()));
      file.write(reinterpret_cast<const char*>(values_.data() + at_), step);
      bytes -= step;
    }
  }

 private:
  std::vector<uint16_t> values_ = std::vector<uint16_t>(size_t{1} << 24);
  size_t at_ = 0;
};

void write_shard(const fs::path& path, const std::vector<Tensor>& tensors, Stock& stock) {
  json header = json::object();
  int64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    json shape = json::array({tensor.cols});
    if (tensor.rows > 0) shape = {tensor.rows, tensor.cols};
    header[tensor.name] = {
        {"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::ofstream file(path, std::ios::binary);
  const uint64_t length = text.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const Tensor& tensor : tensors) stock.write(file, tensor.bytes());
  file.close();
  if (!file) {
    std::fprintf(stderr, "make_shards: cannot write %s\n", path.c_str());
    std::exit(1);
  }
}

void write_checkpoint(const fs::path& folder, const ModelConfig& c) {
  std::vector<std::vector<Tensor>> shards(1);
  int64_t all = 0, in_shard = 0;
  for (const Tensor& tensor : tensors_of(c)) {
    if (in_shard + tensor.bytes() > kShardBytes) {
      shards.emplace_back();
      in_shard = 0;
    }
    shards.back().push_back(tensor);
    in_shard += tensor.bytes();
    all += tensor.bytes();
  }
  fs::create_directories(folder);
  Stock stock(1 / std::sqrt(static_cast<double>(c.dim)));
  json places = json::object();
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    for (const Tensor& tensor : shards[i]) places[tensor.name] = name;
    write_shard(folder / name, shards[i], stock);
  }
  const json index = {{"metadata", {{"total_size", all}}}, {"weight_map", places}};
  std::ofstream(folder / "model.safetensors.index.json") << index.dump(1);
  const json config = {{"model_type", "mixtral"},
                       {"architectures", {"MixtralForCausalLM"}},
                       {"hidden_act", "silu"},
                       {"hidden_size", c.dim},
                       {"intermediate_size", c.ffn_dim},
                       {"num_hidden_layers", c.layers},
                       {"num_attention_heads", c.heads},
                       {"num_key_value_heads", c.kv_heads},
                       {"num_local_experts", c.experts},
                       {"num_experts_per_tok", c.experts_per_token},
                       {"max_position_embeddings", c.context},
                       {"rms_norm_eps", c.norm_eps},
                       {"rope_theta", c.rope_theta},
                       {"vocab_size", c.vocab}};
  std::ofstream(folder / "config.json") << config.dump(1);
}

}  // namespace
}  // namespace octavo::test

int main(int argc, char** argv) {
  if (argc != 3 || std::atoi(argv[2]) < 1) {
    std::fputs("usage: make_shards FOLDER LAYERS\n", stderr);
    return 2;
  }
  octavo::ModelConfig config = octavo::mixtral_8x7b_config();
  config.layers = std::atoi(argv[2]);
  octavo::test::write_checkpoint(argv[1], config);
  return 0;
}
