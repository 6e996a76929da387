// GGUF checkpoints of Mixtral and Mistral: one file, or the parts of a split one.
#include <set>

#include "convert/gguf_config.h"
#include "convert/gguf_metadata.h"
#include "convert/gguf_tokenizer.h"
#include "convert/source_layout.h"
#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPart = "split.no";
constexpr const char* kParts = "split.count";
constexpr const char* kTensors = "split.tensors.count";
constexpr int64_t kMostParts = 99999;  // the names have five digits

struct Part {
  std::shared_ptr<const MappedFile> file;
  GgufHeader header;
};

Part open_part(const fs::path& path) {
  Part part;
  part.file = std::make_shared<const MappedFile>(path.string());
  part.header = parse_gguf_header(part.file->bytes(), part.file->size(), path.string());
  return part;
}

// "-00001-of-00003.gguf"
std::string part_suffix(int64_t number, int64_t parts) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, parts);
}

// An entry of a part, with the file in messages.
int64_t part_entry(const Part& part, const char* key) {
  try {
    return GgufMetadata(part.header).integer(key);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", part.file->path(), error.what());
  }
}

Part open_later_part(const std::string& stem, int64_t number, int64_t parts) {
  const std::string path = stem + part_suffix(number, parts);
  if (!is_present(path)) {
    fail(ErrorCode::kIo, "{} is missing: part {} of {}; is the download complete?", path, number,
         parts);
  }
  Part part = open_part(path);
  const int64_t said = part_entry(part, kPart) + 1, said_parts = part_entry(part, kParts);
  if (said != number || said_parts != parts) {
    fail(ErrorCode::kFormat, "{} says that it is part {} of {}, its name says {} of {}", path, said,
         said_parts, number, parts);
  }
  return part;
}

// All parts of the model whose first file is given.
std::vector<Part> open_parts(const fs::path& path) {
  std::vector<Part> all;
  all.push_back(open_part(path));
  if (!GgufMetadata(all[0].header).has(kParts)) return all;
  const int64_t parts = part_entry(all[0], kParts);
  if (parts == 1) return all;
  if (parts < 1 || parts > kMostParts) {
    fail(ErrorCode::kFormat, "{}: {} is {}", path.string(), kParts, parts);
  }
  const int64_t number = part_entry(all[0], kPart) + 1;
  if (number != 1) {
    fail(ErrorCode::kUnsupported, "{} is part {} of {}; give the first one", path.string(), number,
         parts);
  }
  const std::string name = path.string(), suffix = part_suffix(1, parts);
  if (!name.ends_with(suffix)) {
    fail(ErrorCode::kFormat, "{} is the first of {} parts, so its name has to end in {}", name,
         parts, suffix);
  }
  const std::string stem = name.substr(0, name.size() - suffix.size());
  for (int64_t i = 2; i <= parts; ++i) all.push_back(open_later_part(stem, i, parts));
  return all;
}

StoredTensors stored_tensors(const std::vector<Part>& parts) {
  StoredTensors stored;
  for (const Part& part : parts) {
    for (const auto& [name, tensor] : part.header.tensors) {
      add_stored(stored, name, {part.file, tensor.type, tensor.shape, tensor.offset, tensor.bytes});
    }
  }
  if (parts.size() == 1) return stored;
  const int64_t expected = part_entry(parts[0], kTensors);
  if (static_cast<int64_t>(stored.size()) != expected) {
    fail(ErrorCode::kFormat, "{}: the parts hold {} tensors, {} says {}", parts[0].file->path(),
         stored.size(), kTensors, expected);
  }
  return stored;
}

// "layers.3.experts.5.w1" -> part 5 of "blk.3.ffn_gate_exps.weight", or "blk.3.ffn_gate.5.weight".
class Places {
 public:
  Places(const ModelConfig& config, const StoredTensors& stored)
      : config_(config), stored_(stored) {}

  TensorPlace operator()(const std::string& name) const {
    if (name == "embedding") return {.name = "token_embd.weight"};
    if (name == "norm") return {.name = "output_norm.weight"};
    if (name == "output") return {.name = "output.weight"};
    const size_t number = name.find('.') + 1, layer_end = name.find('.', number);
    const std::string block = "blk." + name.substr(number, layer_end - number) + ".";
    const std::string part = name.substr(layer_end + 1);
    if (part == "attention_norm") return {.name = block + "attn_norm.weight"};
    if (part == "ffn_norm") return {.name = block + "ffn_norm.weight"};
    if (part == "router") return {.name = block + "ffn_gate_inp.weight"};
    if (part == "wo") return {.name = block + "attn_output.weight"};
    if (part.size() == 2) return {.name = block + "attn_" + part[1] + ".weight"};  // wq, wk, wv
    return feed_forward(block, part);
  }

 private:
  // part: "experts.5.w1", or something that ends in "w1".
  TensorPlace feed_forward(const std::string& block, const std::string& part) const {
    const char which = part.back();
    const std::string matrix = block + (which == '1'   ? "ffn_gate"
                                        : which == '2' ? "ffn_down"
                                                       : "ffn_up");
    if (config_.experts == 0) return {.name = matrix + ".weight"};
    const size_t first = part.find('.') + 1;
    const std::string expert = part.substr(first, part.rfind('.') - first);
    const std::string alone = matrix + "." + expert + ".weight";
    if (stored_.contains(alone)) return {.name = alone};
    return {.name = matrix + "_exps.weight", .part = std::stoll(expert), .parts = config_.experts};
  }

  const ModelConfig& config_;
  const StoredTensors& stored_;
};

// A tensor that nothing reads (a bias, factors of a scaled rope) would change what is computed.
void refuse_unused(const StoredTensors& stored, const UsedNames& used) {
  for (const auto& [name, tensor] : stored) {
    if (used.contains(name) || name.ends_with(".attn_rot_embd.weight")) continue;
    fail(ErrorCode::kUnsupported, "{}: tensor {} is not known in a Mixtral or Mistral model",
         tensor.file->path(), printable(name));
  }
}

void read_metadata(ModelSource& source, const GgufHeader& header, const StoredTensors& stored) {
  const GgufMetadata metadata(header);
  try {
    source.config = read_gguf_config(metadata, stored);
    source.tokenizer = read_gguf_tokenizer(metadata, source.notes);
    source.chat_template = metadata.text_or("tokenizer.chat_template", "");
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", source.path, error.what());
  }
}

}  // namespace

ModelSource open_gguf(const fs::path& path) {
  ModelSource source;
  source.path = path.string();
  source.description = path.filename().string();
  const std::vector<Part> parts = open_parts(path);
  const StoredTensors stored = stored_tensors(parts);
  read_metadata(source, parts[0].header, stored);
  refuse_unused(stored, resolve_tensors(source, stored, Places(source.config, stored)));
  mark_interleaved(source);
  return source;
}

}  // namespace octavo
