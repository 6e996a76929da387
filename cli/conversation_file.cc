#include "conversation_file.h"

#include <nlohmann/json.hpp>

#include "errors.h"
#include "files.h"

namespace octavo::cli {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "octavo-conversation";
constexpr int64_t kVersion = 1;

/// An entry of a JSON object. `where` stands in messages. Throws Error(kFormat) unless it `fits`.
const json& entry(const json& object, const char* key, bool (json::*fits)() const noexcept,
                  const char* expected, const std::string& where) {
  if (!object.is_object()) fail(ErrorCode::kFormat, "{}: not a JSON object", where);
  const auto found = object.find(key);
  if (found == object.end()) fail(ErrorCode::kFormat, "{}: \"{}\" is missing", where, key);
  if (((*found).*fits)()) return *found;
  fail(ErrorCode::kFormat, "{}: \"{}\" is {}, expected {}", where, key, found->type_name(),
       expected);
}

std::string text(const json& object, const char* key, const std::string& where) {
  return entry(object, key, &json::is_string, "a string", where);
}

json parse(const std::string& path) {
  // The parser's own message repeats the input, of any length and with any bytes.
  try {
    return json::parse(read_file(path));
  } catch (const json::parse_error& error) {
    fail(ErrorCode::kFormat, "{}: damaged JSON near byte {}", path, error.byte);
  } catch (const json::exception&) {  // a number that no double holds
    fail(ErrorCode::kFormat, "{}: JSON with a value out of range", path);
  }
}

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
  const json root = parse(path);
  if (!root.is_object()) fail(ErrorCode::kFormat, "{}: not a JSON object", path);
  if (!root.contains("format") || root["format"] != kFormat) {
    fail(ErrorCode::kFormat, "{} is no conversation that octavo saved", path);
  }
  const json& version = entry(root, "version", &json::is_number_integer, "an integer", path);
  if (version != kVersion) {
    fail(ErrorCode::kFormat, "{} is of version {}, this octavo reads {}", path, version.dump(),
         kVersion);
  }
  const std::string where = path + ": messages";
  std::vector<ChatMessage> messages;
  for (const json& item : entry(root, "messages", &json::is_array, "an array", path)) {
    messages.push_back({text(item, "role", where), text(item, "content", where)});
  }
  return messages;
}

}  // namespace octavo::cli
