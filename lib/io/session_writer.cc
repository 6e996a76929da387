// Writing a session file, and what it says of its model.
#include <fmt/format.h>
#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/partial_file.h"
#include "io/session_file.h"
#include "io/session_layout.h"
#include "quant/format.h"

namespace octavo {

struct SessionWriter::State {
  State(const std::string& path, const SessionContent& content)
      : file(path), end(content.layers * content.positions() * content.entry_bytes) {
    if (hash == nullptr) fail(ErrorCode::kIo, "cannot write {}: out of memory", path);
    XXH3_128bits_reset(hash);
    const std::string head = session_head(content);
    end += static_cast<int64_t>(head.size());
    file.reserve(0, end + kSessionChecksumBytes);
    append(std::as_bytes(std::span(head)));
  }
  ~State() { XXH3_freeState(hash); }

  void append(std::span<const std::byte> bytes) {
    XXH3_128bits_update(hash, bytes.data(), bytes.size());
    file.write_at(written, bytes);
    written += static_cast<int64_t>(bytes.size());
  }

  PartialFile file;
  XXH3_state_t* hash = XXH3_createState();
  int64_t written = 0, end = 0;  ///< bytes so far; before the checksum
};

SessionWriter::SessionWriter(const std::string& path, const SessionContent& content)
    : state_(std::make_unique<State>(path, content)) {}

SessionWriter::~SessionWriter() = default;

void SessionWriter::append(std::span<const std::byte> entries) { state_->append(entries); }

void SessionWriter::finish() {
  State& s = *state_;
  if (s.written != s.end) {
    fail(ErrorCode::kInvalidArgument, "{}: keys or values are missing", s.file.target());
  }
  const SessionChecksum checksum = session_checksum(XXH3_128bits_digest(s.hash));
  s.file.write_at(s.written, std::as_bytes(std::span(checksum)));
  s.file.publish();
}

std::string model_identity(const ModelDirectory& directory) {
  nlohmann::json tensors = nlohmann::json::array();
  for (const TensorEntry& tensor : directory.tensors) {
    tensors.push_back({tensor.name, traits(tensor.format).name, tensor.checksum});
  }
  const std::string text =
      nlohmann::json{{"config", to_json(directory.config)}, {"tensors", std::move(tensors)}}.dump();
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string model_summary_line(const ModelDirectory& directory) {
  const ModelConfig& c = directory.config;
  std::string line = fmt::format("{} in {}, {} layers of {}", c.architecture,
                                 directory.requested_format, c.layers, c.dim);
  if (c.experts > 0) line += fmt::format(", {} experts", c.experts);
  return line;
}

}  // namespace octavo
