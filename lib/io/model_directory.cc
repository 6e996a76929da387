// The directory of an .8vo: to and from JSON, and everything that must hold for it.
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/base64.h"
#include "io/json_fields.h"
#include "io/model_layout.h"
#include "io/printable.h"

namespace octavo {
namespace {

using nlohmann::json;
static_assert(std::endian::native == std::endian::little, "the file is read in place");

constexpr const char* kPackedName = "packed";
constexpr const char* kPlainName = "plain";

json to_json(const TensorEntry& entry) {
  return {{"name", entry.name},
          {"format", format_name(entry.format)},
          {"order", entry.order == Order::kPacked ? kPackedName : kPlainName},
          {"shape", {entry.rows, entry.cols}},
          {"offset", entry.offset},
          {"bytes", entry.bytes},
          {"checksum", fmt::format("{:016x}", entry.checksum)}};
}

uint64_t parse_checksum(const std::string& text) {
  uint64_t value = 0;
  if (text.size() != 16) fail(ErrorCode::kFormat, "a checksum is not 16 hex digits");
  for (const char c : text) {
    const bool decimal = c >= '0' && c <= '9';
    if (!decimal && !(c >= 'a' && c <= 'f')) {
      fail(ErrorCode::kFormat, "a checksum is not 16 hex digits");
    }
    value = value << 4 | static_cast<uint64_t>(decimal ? c - '0' : c - 'a' + 10);
  }
  return value;
}

TensorEntry parse_entry(const json& object) {
  const JsonFields fields(object, "tensor entry");
  TensorEntry entry;
  entry.name = fields.string("name");
  const std::string format = fields.string("format"), order = fields.string("order");
  const std::optional<Format> known = parse_format(format);
  if (!known) {
    fail(ErrorCode::kUnsupported, "tensor {}: unknown format \"{}\"", printable(entry.name),
         printable(format));
  }
  entry.format = *known;
  if (order != kPackedName && order != kPlainName) {
    fail(ErrorCode::kUnsupported, "tensor {}: unknown order \"{}\"", printable(entry.name),
         printable(order));
  }
  entry.order = order == kPackedName ? Order::kPacked : Order::kPlain;
  const json& shape = fields.array("shape");
  if (shape.size() != 2 || !shape[0].is_number_integer() || !shape[1].is_number_integer()) {
    fail(ErrorCode::kFormat, "tensor {}: shape is not two integers", printable(entry.name));
  }
  entry.rows = shape[0].get<int64_t>();
  entry.cols = shape[1].get<int64_t>();
  entry.offset = fields.integer("offset");
  entry.bytes = fields.integer("bytes");
  entry.checksum = parse_checksum(fields.string("checksum"));
  return entry;
}

// An entry against what the config says must be there, and its place in the file.
void check_entry(const TensorEntry& entry, const TensorEntry& planned, int64_t offset,
                 int64_t file_size) {
  if (entry.name != planned.name) {
    fail(ErrorCode::kFormat, "tensor {} stands where {} is expected", printable(entry.name),
         planned.name);
  }
  if (entry.rows != planned.rows || entry.cols != planned.cols) {
    fail(ErrorCode::kFormat, "tensor {} is {} x {}, the config says {} x {}", entry.name,
         entry.rows, entry.cols, planned.rows, planned.cols);
  }
  const bool is_router = entry.name.ends_with(".router");
  const bool f32_only = planned.order == Order::kPlain || is_router;
  if (entry.order != planned.order || (f32_only && entry.format != Format::kF32) ||
      storable_format(entry.format, entry.cols) != entry.format) {
    fail(ErrorCode::kFormat, "tensor {} cannot be {} in this order", entry.name,
         format_name(entry.format));
  }
  if (entry.bytes != tensor_bytes(entry)) {
    fail(ErrorCode::kFormat, "tensor {} has {} bytes, expected {}", entry.name, entry.bytes,
         tensor_bytes(entry));
  }
  if (entry.offset != offset) {
    fail(ErrorCode::kFormat, "tensor {} is at byte {}, expected {}", entry.name, entry.offset,
         offset);
  }
  if (entry.bytes > file_size - offset) {
    fail(ErrorCode::kFormat, "tensor {} reaches past the end of the file", entry.name);
  }
}

int64_t planned_tensors(const ModelConfig& c) {
  const int64_t in_layer = 6 + (c.experts > 0 ? 1 : 0) + 3 * std::max<int64_t>(1, c.experts);
  return 2 + (c.tied_output ? 0 : 1) + c.layers * in_layer;
}

void parse_tensors(const json& list, ModelDirectory& directory, int64_t data_offset,
                   int64_t file_size) {
  const int64_t expected = planned_tensors(directory.config);
  if (static_cast<int64_t>(list.size()) != expected) {
    fail(ErrorCode::kFormat, "{} tensors, the config says {}", list.size(), expected);
  }
  const std::vector<TensorEntry> plan = tensor_plan(directory.config);
  int64_t offset = data_offset;
  for (size_t i = 0; i < plan.size(); ++i) {
    const TensorEntry entry = parse_entry(list[i]);
    check_entry(entry, plan[i], offset, file_size);
    offset = page_up(offset + entry.bytes);
    directory.tensors.push_back(entry);
  }
  if (offset != file_size) {
    fail(ErrorCode::kFormat, "the tensors end at byte {}, the file at {}", offset, file_size);
  }
}

ModelDirectory parse_directory(std::string_view text, int64_t file_size) {
  const json root = parse_json(text, "directory");
  const JsonFields fields(root, "directory");
  ModelDirectory directory;
  if (!fields.has("config")) fail(ErrorCode::kFormat, "directory: \"config\" is missing");
  directory.config = config_from_json(root["config"]);
  directory.requested_format = fields.string("requested_format");
  const std::optional<std::string> tokenizer = base64_decode(fields.string("tokenizer"));
  if (!tokenizer) fail(ErrorCode::kFormat, "directory: \"tokenizer\" is no base64");
  directory.tokenizer = *tokenizer;
  directory.chat_template = fields.string("chat_template");
  directory.source = fields.string("source");
  for (const json& note : fields.array("notes")) {
    if (!note.is_string()) fail(ErrorCode::kFormat, "directory: a note is no string");
    directory.notes.push_back(note.get<std::string>());
  }
  const auto end = static_cast<int64_t>(sizeof(ModelHeader) + text.size());
  parse_tensors(fields.array("tensors"), directory, page_up(end), file_size);
  return directory;
}

// The header alone; returns it when all of it is as it must be.
ModelHeader parse_header(std::span<const std::byte> bytes, int64_t file_size) {
  ModelHeader header;
  if (bytes.size() < sizeof kModelMagic ||
      std::memcmp(bytes.data(), kModelMagic, sizeof kModelMagic) != 0) {
    fail(ErrorCode::kFormat, "not an .8vo model file; convert the model with `octavo convert`");
  }
  if (bytes.size() < sizeof header) {
    fail(ErrorCode::kFormat, "cut short: {} bytes, the header alone has 64", bytes.size());
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != kModelVersion) {
    fail(ErrorCode::kUnsupported, "version {} of the format; this build reads version {}",
         header.version, kModelVersion);
  }
  if (header.header_checksum != XXH3_64bits(bytes.data(), offsetof(ModelHeader, header_checksum)) ||
      header.header_bytes != sizeof header || header.directory_offset != sizeof header ||
      header.reserved != 0) {
    fail(ErrorCode::kFormat, "the header is damaged; copy or convert the file again");
  }
  if (header.file_bytes != static_cast<uint64_t>(file_size)) {
    fail(ErrorCode::kFormat, "{} bytes, should be {}: cut short or damaged; copy it again",
         file_size, header.file_bytes);
  }
  if (header.directory_bytes > bytes.size() - sizeof header) {
    fail(ErrorCode::kFormat, "cut short within its directory; copy it again");
  }
  return header;
}

}  // namespace

ModelHeader make_header(const std::string& directory, int64_t file_bytes) {
  ModelHeader header{};
  std::memcpy(header.magic, kModelMagic, sizeof header.magic);
  header.version = kModelVersion;
  header.header_bytes = sizeof header;
  header.directory_offset = sizeof header;
  header.directory_bytes = directory.size();
  header.directory_checksum = XXH3_64bits(directory.data(), directory.size());
  header.file_bytes = static_cast<uint64_t>(file_bytes);
  header.header_checksum = XXH3_64bits(&header, offsetof(ModelHeader, header_checksum));
  return header;
}

std::string write_directory(const ModelDirectory& directory) {
  json tensors = json::array();
  for (const TensorEntry& entry : directory.tensors) tensors.push_back(to_json(entry));
  const json root = {{"config", octavo::to_json(directory.config)},
                     {"requested_format", directory.requested_format},
                     {"tokenizer", base64_encode(directory.tokenizer)},
                     {"chat_template", directory.chat_template},
                     {"source", directory.source},
                     {"notes", directory.notes},
                     {"tensors", std::move(tensors)}};
  try {
    return root.dump();
  } catch (const json::exception&) {
    fail(ErrorCode::kFormat, "the chat template or the source's name is not UTF-8");
  }
}

ModelDirectory parse_model_directory(std::span<const std::byte> bytes, int64_t file_size,
                                     const std::string& name) {
  try {
    const ModelHeader header = parse_header(bytes, file_size);
    const std::span<const std::byte> directory =
        bytes.subspan(sizeof header, header.directory_bytes);
    if (XXH3_64bits(directory.data(), directory.size()) != header.directory_checksum) {
      fail(ErrorCode::kFormat, "the directory is damaged; copy or convert the file again");
    }
    return parse_directory({reinterpret_cast<const char*>(directory.data()), directory.size()},
                           file_size);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", name, error.what());
  }
}

}  // namespace octavo
