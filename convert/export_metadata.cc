#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>

#include "convert/export_plan.h"
#include "core/error.h"
#include "text/vocabulary.h"

namespace octavo {
namespace {

// Most of the weights are in this format, which names the file.
Format main_format(const GgufHead& head) {
  std::map<Format, int64_t> weights;
  for (const GgufEntry& tensor : head.tensors()) {
    weights[tensor.format] +=
        tensor.bytes / traits(tensor.format).block_bytes * traits(tensor.format).block_cols;
  }
  const auto most =
      std::max_element(weights.begin(), weights.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->first;
}

class Metadata {
 public:
  Metadata(GgufHead& head, const std::string& path) : head_(head), path_(path) {}

  void number(const std::string& key, int64_t value) {
    if (value < 0 || value > std::numeric_limits<uint32_t>::max()) {
      fail(ErrorCode::kUnsupported, "{}: {} is {}, which a GGUF file cannot say", path_, key,
           value);
    }
    head_.add(key, static_cast<uint32_t>(value));
  }

  void shape(const ModelConfig& c) {
    number("llama.vocab_size", c.vocab);
    number("llama.context_length", c.context);
    number("llama.embedding_length", c.dim);
    number("llama.block_count", c.layers);
    number("llama.feed_forward_length", c.ffn_dim);
    number("llama.attention.head_count", c.heads);
    number("llama.attention.head_count_kv", c.kv_heads);
    number("llama.attention.key_length", c.head_dim);
    number("llama.attention.value_length", c.head_dim);
    head_.add("llama.attention.layer_norm_rms_epsilon", static_cast<float>(c.norm_eps));
    number("llama.rope.dimension_count", c.head_dim);
    head_.add("llama.rope.freq_base", static_cast<float>(c.rope_theta));
    if (c.experts > 0) {
      number("llama.expert_count", c.experts);
      number("llama.expert_used_count", c.experts_per_token);
    }
    if (c.window > 0) number("llama.attention.sliding_window", c.window);
  }

 private:
  GgufHead& head_;
  const std::string& path_;
};

// llama.cpp wants a token for each row of the embedding.
void fill_up(Vocabulary& vocabulary, int64_t count, std::vector<std::string>& notes) {
  const auto known = static_cast<int64_t>(vocabulary.pieces.size());
  if (known == count) return;
  notes.push_back(
      fmt::format("{} ids without a token of their own became unused tokens", count - known));
  for (int64_t id = known; id < count; ++id) {
    vocabulary.pieces.push_back({fmt::format("[PAD{}]", id), 0, PieceType::kUnused});
  }
}

void add_pieces(GgufHead& head, const Vocabulary& vocabulary) {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (const VocabularyPiece& piece : vocabulary.pieces) {
    tokens.push_back(piece.name);
    scores.push_back(piece.score);
    types.push_back(static_cast<int32_t>(piece.type));
  }
  head.add("tokenizer.ggml.model", "llama");
  head.add("tokenizer.ggml.tokens", tokens);
  head.add("tokenizer.ggml.scores", scores);
  head.add("tokenizer.ggml.token_type", types);
}

void add_tokenizer(GgufHead& head, const ModelDirectory& directory, const std::string& path,
                   std::vector<std::string>& notes) {
  const ModelConfig& c = directory.config;
  if (directory.tokenizer.empty()) {
    head.add("tokenizer.ggml.model", "none");
    notes.push_back("the model has no tokenizer: the GGUF file takes ids, no text");
    return;
  }
  Vocabulary vocabulary = read_vocabulary(directory.tokenizer, path);
  if (static_cast<int64_t>(vocabulary.pieces.size()) > c.vocab) {
    fail(ErrorCode::kFormat,
         "{}: the tokenizer has {} pieces, but the model only {} ids; convert the model again with "
         "its own tokenizer.model",
         path, vocabulary.pieces.size(), c.vocab);
  }
  if (!vocabulary.is_bpe) {
    notes.push_back(
        "the tokenizer is no BPE model: programs that read GGUF may split text in "
        "another way");
  }
  fill_up(vocabulary, c.vocab, notes);
  add_pieces(head, vocabulary);
  const auto unknown =
      std::find_if(vocabulary.pieces.begin(), vocabulary.pieces.end(),
                   [](const VocabularyPiece& piece) { return piece.type == PieceType::kUnknown; });
  if (c.bos >= 0) head.add("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(c.bos));
  if (c.eos >= 0) head.add("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(c.eos));
  if (unknown != vocabulary.pieces.end()) {
    head.add("tokenizer.ggml.unknown_token_id",
             static_cast<uint32_t>(unknown - vocabulary.pieces.begin()));
  }
  head.add("tokenizer.ggml.add_bos_token", c.bos >= 0);
  head.add("tokenizer.ggml.add_eos_token", false);
  head.add("tokenizer.ggml.add_space_prefix", vocabulary.adds_space);
  head.add("tokenizer.ggml.remove_extra_whitespaces", vocabulary.removes_extra_spaces);
}

}  // namespace

void add_metadata(GgufHead& head, const ModelDirectory& directory, const std::string& path,
                  std::vector<std::string>& notes) {
  constexpr uint32_t kQuantizationVersion = 2;  // of ggml's blocks
  head.add("general.architecture", "llama");
  head.add("general.name", directory.source.empty() ? std::filesystem::path(path).stem().string()
                                                    : directory.source);
  head.add("general.file_type", gguf_type(main_format(head)).file_type);
  head.add("general.quantization_version", kQuantizationVersion);
  head.add("general.alignment", static_cast<uint32_t>(kGgufAlignment));
  Metadata(head, path).shape(directory.config);
  if (directory.config.window > 0) {
    notes.push_back(
        fmt::format("the sliding window of {} is in the metadata, but not every program "
                    "heeds it in a model of architecture llama",
                    directory.config.window));
  }
  add_tokenizer(head, directory, path, notes);
  if (!directory.chat_template.empty()) {
    head.add("tokenizer.chat_template", directory.chat_template);
  }
}

}  // namespace octavo
