#include "support/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "convert/source.h"
#include "support/files.h"

namespace octavo::test {
namespace {

constexpr size_t kAlignment = 32;

template <class T>
std::string encoded_array(uint32_t type, const std::vector<T>& values) {
  std::string bytes = GgufBuilder::encoded(type) + GgufBuilder::encoded(uint64_t{values.size()});
  for (const T value : values) bytes += GgufBuilder::encoded(value);
  return bytes;
}

void pad(std::string& bytes) {
  bytes.append((kAlignment - bytes.size() % kAlignment) % kAlignment, '\0');
}

/// Rows of heads from half-split to interleaved pairs: what llama.cpp's converter does.
std::string interleave(const SafeTensor& tensor, int64_t head_dim) {
  const int64_t rows = tensor.shape[0], half = head_dim / 2;
  const int64_t stride = static_cast<int64_t>(tensor.bytes.size()) / rows;
  std::string out;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t in_head = row % head_dim, head = row - in_head;
    const int64_t from = head + in_head / 2 + (in_head % 2) * half;
    out += tensor.bytes.substr(static_cast<size_t>(from * stride), static_cast<size_t>(stride));
  }
  return out;
}

/// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"; experts keep their number.
std::string gguf_name(std::string name) {
  constexpr std::pair<std::string_view, std::string_view> kParts[] = {
      {"model.embed_tokens", "token_embd"},
      {"model.norm", "output_norm"},
      {"lm_head", "output"},
      {"model.layers", "blk"},
      {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"block_sparse_moe.gate", "ffn_gate_inp"},
      {"block_sparse_moe.experts", "experts"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.down_proj", "ffn_down"},
      {"mlp.up_proj", "ffn_up"}};
  for (const auto& [from, to] : kParts) {
    if (const size_t at = name.find(from); at != name.npos) name.replace(at, from.size(), to);
  }
  return name;
}

/// Adds "blk.3.experts.5.w1.weight" in the early layout, or to the merged tensor.
void add_expert(GgufBuilder& builder, const std::string& name, const SafeTensor& tensor,
                GgufExperts experts) {
  const size_t at = name.find("experts.");
  const char which = name[name.find(".w") + 2];
  const std::string matrix = name.substr(0, at) + (which == '1'   ? "ffn_gate"
                                                   : which == '2' ? "ffn_down"
                                                                  : "ffn_up");
  const size_t number = at + std::string_view("experts.").size();
  if (experts == GgufExperts::kEarly) {
    const std::string expert = name.substr(number, name.find('.', number) - number);
    builder.tensors.push_back(
        {matrix + "." + expert + ".weight", tensor.dtype, tensor.shape, tensor.bytes});
    return;
  }
  const std::string merged = matrix + "_exps.weight";
  for (GgufTestTensor& there : builder.tensors) {
    if (there.name != merged) continue;
    ++there.shape[0];
    there.bytes += tensor.bytes;
    return;
  }
  builder.tensors.push_back(
      {merged, tensor.dtype, {1, tensor.shape[0], tensor.shape[1]}, tensor.bytes});
}

/// One varint, or a field's key.
uint64_t take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.at(0));
    bytes.remove_prefix(1);
    value |= uint64_t{byte & 127u} << shift;
    if (byte < 128) return value;
  }
}

std::string_view take_text(std::string_view& bytes) {
  const auto size = static_cast<size_t>(take_varint(bytes));
  const std::string_view text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return text;
}

}  // namespace

uint32_t gguf_type_number(std::string_view name) {
  constexpr std::pair<std::string_view, uint32_t> kNumbers[] = {
      {"F32", 0},      {"F16", 1},     {"Q4_0", 2},    {"Q4_1", 3},  {"Q5_0", 6},  {"Q5_1", 7},
      {"Q8_0", 8},     {"Q2_K", 10},   {"Q3_K", 11},   {"Q4_K", 12}, {"Q5_K", 13}, {"Q6_K", 14},
      {"IQ2_XXS", 16}, {"IQ4_NL", 20}, {"IQ4_XS", 23}, {"BF16", 30}, {"NEW", 99}};
  for (const auto& [known, number] : kNumbers) {
    if (known == name) return number;
  }
  throw std::runtime_error("no type " + std::string(name));
}

void GgufBuilder::texts(const std::string& key, const std::vector<std::string>& values) {
  std::string bytes = encoded(uint32_t{8}) + encoded(uint64_t{values.size()});
  for (const std::string& value : values) bytes += encoded_text(value);
  put(key, 9, std::move(bytes));
}

void GgufBuilder::numbers(const std::string& key, const std::vector<float>& values) {
  put(key, 9, encoded_array(6, values));
}

void GgufBuilder::integers(const std::string& key, const std::vector<int32_t>& values) {
  put(key, 9, encoded_array(5, values));
}

void GgufBuilder::put(const std::string& key, uint32_t type, std::string bytes) {
  erase(key);
  metadata_.emplace_back(key, encoded(type) + bytes);
}

void GgufBuilder::erase(std::string_view key) {
  std::erase_if(metadata_, [&](const auto& entry) { return entry.first == key; });
}

GgufTestTensor& GgufBuilder::tensor(std::string_view name) {
  for (GgufTestTensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::runtime_error("no tensor " + std::string(name));
}

std::string GgufBuilder::bytes() const {
  std::string header = "GGUF" + encoded(version) + encoded(uint64_t{tensors.size()}) +
                       encoded(uint64_t{metadata_.size()});
  for (const auto& [key, value] : metadata_) header += encoded_text(key) + value;
  std::string data;
  for (const GgufTestTensor& tensor : tensors) {
    header += encoded_text(tensor.name) + encoded(static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      header += encoded(static_cast<uint64_t>(tensor.shape[i]));
    }
    header += encoded(gguf_type_number(tensor.type)) + encoded(uint64_t{data.size()});
    data += tensor.bytes;
    pad(data);
  }
  pad(header);
  return header + data;
}

void set_gguf_config(GgufBuilder& builder, const ModelConfig& config) {
  const auto number = [&](const std::string& key, int64_t value) {
    builder.u32("llama." + key, static_cast<uint32_t>(value));
  };
  builder.text("general.architecture", "llama");
  number("context_length", config.context);
  number("embedding_length", config.dim);
  number("block_count", config.layers);
  number("feed_forward_length", config.ffn_dim);
  number("attention.head_count", config.heads);
  number("attention.head_count_kv", config.kv_heads);
  number("attention.key_length", config.head_dim);
  number("attention.value_length", config.head_dim);
  number("rope.dimension_count", config.head_dim);
  if (config.window > 0) number("attention.sliding_window", config.window);
  builder.f32("llama.attention.layer_norm_rms_epsilon", static_cast<float>(config.norm_eps));
  builder.f32("llama.rope.freq_base", static_cast<float>(config.rope_theta));
  if (config.experts > 0) {
    number("expert_count", config.experts);
    number("expert_used_count", config.experts_per_token);
  }
  builder.u32("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(config.bos));
  builder.u32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(config.eos));
}

GgufBuilder gguf_of_checkpoint(const std::filesystem::path& folder, GgufExperts experts) {
  GgufBuilder builder;
  std::vector<std::string> notes;
  const ModelConfig config = read_hf_config((folder / "config.json").string(), notes);
  set_gguf_config(builder, config);
  std::vector<SafeTensor> tensors = read_safetensors(folder / "model.safetensors");
  // By number, so that merged tensors get their experts in order.
  std::stable_sort(tensors.begin(), tensors.end(), [](const SafeTensor& a, const SafeTensor& b) {
    return a.name.size() < b.name.size();
  });
  for (SafeTensor& tensor : tensors) {
    const std::string name = gguf_name(tensor.name);
    if (name.find("attn_q.") != name.npos || name.find("attn_k.") != name.npos) {
      tensor.bytes = interleave(tensor, config.head_dim);
    }
    if (name.find(".experts.") != name.npos) {
      add_expert(builder, name, tensor, experts);
    } else {
      builder.tensors.push_back({name, tensor.dtype, tensor.shape, std::move(tensor.bytes)});
    }
  }
  return builder;
}

void set_gguf_tokenizer(GgufBuilder& builder, std::string_view sentencepiece_model) {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  while (!sentencepiece_model.empty()) {
    constexpr uint64_t kPieces = 1 << 3 | 2;
    const uint64_t key = take_varint(sentencepiece_model);
    std::string_view piece = take_text(sentencepiece_model);  // all fields of a model are messages
    if (key != kPieces) continue;
    tokens.emplace_back();
    scores.push_back(0);
    types.push_back(1);
    while (!piece.empty()) {
      const uint64_t field = take_varint(piece) >> 3;
      if (field == 1) tokens.back() = take_text(piece);
      if (field == 3) types.back() = static_cast<int32_t>(take_varint(piece));
      if (field != 2) continue;
      std::memcpy(&scores.back(), piece.data(), 4);
      piece.remove_prefix(4);
    }
  }
  builder.text("tokenizer.ggml.model", "llama");
  builder.texts("tokenizer.ggml.tokens", tokens);
  builder.numbers("tokenizer.ggml.scores", scores);
  builder.integers("tokenizer.ggml.token_type", types);
}

}  // namespace octavo::test
