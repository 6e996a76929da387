#include "conversation_file.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "files.h"
#include "io/json_fields.h"

namespace octavo::cli {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "octavo-conversation";
constexpr int64_t kVersion = 1;

}  // namespace

void save_conversation(const std::string& path, const std::vector<ChatMessage>& messages) {
  json list = json::array();
  for (const ChatMessage& message : messages) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  const json root = {{"format", kFormat}, {"version", kVersion}, {"messages", list}};
  // Bytes that are no UTF-8 cannot stand in JSON.
  const std::string text = root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.finish();
}

std::vector<ChatMessage> load_conversation(const std::string& path) {
  const json root = parse_json(read_file(path), path);
  const JsonFields fields(root, path);
  if (!fields.has("format") || fields.string("format") != kFormat) {
    fail(ErrorCode::kFormat, "{} is no conversation that octavo saved", path);
  }
  if (fields.integer("version") != kVersion) {
    fail(ErrorCode::kFormat, "{} is of version {}, this octavo reads {}", path,
         fields.integer("version"), kVersion);
  }
  std::vector<ChatMessage> messages;
  for (const json& item : fields.array("messages")) {
    const JsonFields message(item, path + ": messages");
    messages.push_back({message.string("role"), message.string("content")});
  }
  return messages;
}

}  // namespace octavo::cli
