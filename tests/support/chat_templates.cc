#include "support/chat_templates.h"

#include <sstream>

#include "support/files.h"

namespace octavo::test {

std::vector<nlohmann::json> json_lines(const std::string& name) {
  std::vector<nlohmann::json> lines;
  std::istringstream stream(read_file(test_data(name)));
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::string chat_template(const std::string& name) {
  return read_file(test_data("chat-templates/" + name + ".jinja"));
}

std::vector<ChatMessage> messages_of(const nlohmann::json& messages) {
  std::vector<ChatMessage> result;
  for (const nlohmann::json& message : messages) {
    result.push_back({message["role"], message["content"]});
  }
  return result;
}

std::vector<std::pair<std::string, jinja::Value>> template_variables(
    const std::vector<ChatMessage>& messages) {
  using jinja::Value;
  jinja::List list;
  for (const ChatMessage& message : messages) {
    jinja::Dictionary entry;
    entry.set("role", Value(std::string_view(message.role)));
    entry.set("content", Value(jinja::MarkedText(message.content, jinja::Origin::kMessage)));
    list.emplace_back(std::move(entry));
  }
  return {{"messages", Value(std::move(list))},
          {"add_generation_prompt", Value(messages.back().role != "assistant")},
          {"bos_token", Value("<s>")},
          {"eos_token", Value("</s>")},
          {"tools", Value(jinja::None{})},
          {"documents", Value(jinja::None{})}};
}

}  // namespace octavo::test
