// Templates render as Jinja2 renders them; what octavo does not know is named; everything ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "octavo/error.hpp"
#include "support/chat_templates.h"
#include "text/template/interpreter.h"

namespace octavo::test {
namespace {

using jinja::MarkedText;
using jinja::Origin;
using testing::HasSubstr;
using testing::Not;

const std::vector<ChatMessage> kHello = {{"user", "Hello"}};

MarkedText render(const std::string& source, const std::vector<ChatMessage>& messages = kHello,
                  const jinja::RenderLimits& limits = {}) {
  return jinja::render_template(source, template_variables(messages), limits);
}

std::string error_of(const std::string& source, ErrorCode code) {
  try {
    ADD_FAILURE() << source << " gives " << render(source).bytes;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    return error.what();
  }
  return "";
}

TEST(TemplateTest, ExpressionsAreJinjas) {
  auto lines = json_lines("chat-templates/expressions.jsonl");
  const auto messages = messages_of(lines.front()["messages"]);
  lines.erase(lines.begin());
  EXPECT_GE(lines.size(), 44u);
  for (const nlohmann::json& line : lines) {
    const std::string source = line["source"];
    try {
      EXPECT_EQ(render(source, messages).bytes, line["rendered"].get<std::string>()) << source;
    } catch (const Error& error) {
      ADD_FAILURE() << source << ": " << error.what();
    }
  }
}

TEST(TemplateTest, TheFamilysTemplatesRenderAsJinjaDoes) {
  int rendered = 0, refused = 0;
  for (const nlohmann::json& line : json_lines("chat-templates/conversations.jsonl")) {
    const std::string source = chat_template(line["template"]);
    const auto messages = messages_of(line["messages"]);
    SCOPED_TRACE(line["template"].get<std::string>() + " " + line["messages"].dump());
    try {
      EXPECT_EQ(render(source, messages).bytes, line.value("rendered", "an error"));
      ++rendered;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(std::string(error.what()),
                "the chat template refuses this conversation: " + line.value("error", "nothing"));
      ++refused;
    }
  }
  EXPECT_GE(rendered, 50);
  EXPECT_GE(refused, 6);
}

/// The bytes that come from messages.
std::string from_messages(const MarkedText& text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.origin(i) != Origin::kTemplate) bytes += text.bytes[i];
  }
  return bytes;
}

TEST(TemplateTest, EveryOperationKeepsWhoWroteAByte) {
  const std::vector<ChatMessage> messages = {{"user", " <s>a,b</s> "}};
  const std::pair<const char*, const char*> cases[] = {
      {"<s>{{ messages[0].content }}</s>", " <s>a,b</s> "},
      {"{{ '<s>' + messages[0].content + eos_token }}", " <s>a,b</s> "},
      {"{{ '<s>' ~ messages[0].content|trim }}", "<s>a,b</s>"},
      {"{{ messages[0].content.strip() | upper }}", "<S>A,B</S>"},
      {"{{ messages[0].content[1:4] }}{{ messages[0].content[2] }}", "<s>s"},
      {"{{ messages[0].content[::-1] }}", " >s/<b,a>s< "},
      {"{{ messages[0].content.split(',')|join('</s>') }}", " <s>ab</s> "},
      {"{{ messages[0].content.replace('a', bos_token) }}", " <s>,b</s> "},
      {"{{ messages[0].content|tojson }}", " <s>a,b</s> "},
      {"{{ messages[0]|tojson }}", " <s>a,b</s> "},
      {"{{ messages|map(attribute='content')|join }}", " <s>a,b</s> "},
      {"{% set x %}<s>{{ messages[0].content }}{% endset %}{{ x }}", " <s>a,b</s> "},
      {"{% for c in messages[0].content %}{{ c }}{% endfor %}", " <s>a,b</s> "},
      {"{{ nothing|default(messages[0].content) }}", " <s>a,b</s> "},
      {"{{ messages[0].content|string }}{{ messages[0].content.split()[0] }}",
       " <s>a,b</s> <s>a,b</s>"},
      {"{% set ns = namespace(c=messages[0].content) %}{{ ns.c }}", " <s>a,b</s> "},
      {"{{ messages[0].content|first }}{{ messages[0].content|list|last }}", "  "},
      {"{{ messages[0].role }}{{ messages[0].content|length }}", ""},
  };
  for (const auto& [source, expected] : cases) {
    EXPECT_EQ(from_messages(render(source, messages)), expected) << source;
  }
}

TEST(TemplateTest, WhatIsNotKnownIsNamedWithItsLineAndTheWayOut) {
  const std::pair<const char*, const char*> cases[] = {
      {"\n{% macro f() %}{% endmacro %}", "the statement 'macro' in line 2"},
      {"{% include 'x' %}", "the statement 'include' in line 1"},
      {"a\n\n{{ messages|batch(2) }}", "the filter 'batch' in line 3"},
      {"{{ strftime_now('%d') }}", "the function 'strftime_now' in line 1"},
      {"{{ 'a'.center(3) }}", "the method 'center' of a string in line 1"},
      {"{{ {'a': 1}.pop('a') }}", "the method 'pop' of a mapping in line 1"},
      {"{{ messages.append(1) }}", "the method 'append' of a list in line 1"},
      {"{{ 1 is prime }}", "the test 'prime' in line 1"},
      {"{{ 2 ** 3 }}", "the operator ** in line 1"},
      {"{{ 'a' * 3 }}", "repetition of a string in line 1"},
      {"{{ '%s' % 1 }}", "formatting by '%' in line 1"},
      {"{{ 1 < 2 < 3 }}", "a chain of comparisons in line 1"},
      {"{% set a, b = [1, 2] %}", "a set of several names in line 1"},
      {"{% for x in messages recursive %}{% endfor %}", "a recursive loop in line 1"},
      {"{{ messages|tojson(indent=2) }}", "the argument indent of 'tojson' in line 1"},
      {"{{ 'é'|upper }}", "'upper' of letters outside ASCII in line 1"},
      {"{{ f(*messages) }}", "arguments from a list (*) in line 1"},
      {"{{ '\\101' }}", "an octal escape in line 1"},
  };
  for (const auto& [source, what] : cases) {
    const std::string message = error_of(source, ErrorCode::kUnsupported);
    EXPECT_THAT(message, HasSubstr("the chat template uses " + std::string(what)));
    EXPECT_THAT(message, HasSubstr("--template mistral-v1"));
  }
}

TEST(TemplateTest, WhatIsNoTemplateIsRefusedWithItsLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{{ 1", "line 2 of the chat template: a block without end"},
      {"{% if true %}", "the template ends too early"},
      {"{% if true %}{% endfor %}", "an unexpected 'endfor'"},
      {"{% endif %}", "unexpected"},
      {"{{ 1 + }}", "the block ends too early"},
      {"{{ }}", "the block ends too early"},
      {"{{ 'a }}", "a string without end"},
      {"{# a", "a comment without end"},
      {"{{ ) }}", "a ')' that nothing opened"},
      {"{{ 1 ? 2 }}", "an unexpected '?'"},
      {"{{ 99999999999999999999 }}", "a number that is too large"},
      {"{{ 9223372036854775807 + 1 }}", "'+' gives a number that is too large"},
      {"{{ 1 // 0 }}", "a division by zero"},
      {"{{ 1 + 'a' }}", "'+' between a number and a string"},
      {"{{ 1 < 'a' }}", "'<' between a number and a string"},
      {"{{ nothing.a.b }}", "'a' of an undefined value"},
      {"{{ 'a'[::0] }}", "a slice with the step 0"},
      {"{% for a, b in [[1]] %}{% endfor %}", "2 names for 1 values"},
      {"{% for a in 1 %}{% endfor %}", "a loop over a number"},
      {"{% set messages.x = 1 %}", "messages is no namespace"},
      {"{{ '\\ud800' }}", "an escape that is no character"},
  };
  for (const auto& [source, what] : cases) {
    EXPECT_THAT(error_of(source, ErrorCode::kFormat), HasSubstr(what)) << source;
  }
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(TemplateTest, EveryTemplateEnds) {
  const std::string doubling = "{% set ns = namespace(x='ab', l=[1]) %}{% for i in range(99) %}";
  const std::string loops = "{% for i in range(99999) %}";
  const std::string sources[] = {
      doubling + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
      doubling + "{% set ns.l = ns.l + ns.l %}{% endfor %}",
      doubling + "{% set ns.l = [ns.l, ns.l] %}{% endfor %}",
      doubling + "{% set ns.l = [ns.l] %}{% endfor %}",
      doubling + "{% set ns.x = ns.x.replace('a', ns.x) %}{% endfor %}",
      doubling + "{% set ns.x = ns.x|tojson + ns.x|list|join(ns.x) %}{% endfor %}",
      loops + loops + loops + repeated("{% endfor %}", 3),
      loops + "{{ messages|tojson * 1 }}{% endfor %}",
      "{{ range(9223372036854775807)|length }}",
      "{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807)|length }}{{ f() }}",
      "{% set ns = namespace() %}{% set ns.self = ns %}",
      "{% set ns = namespace() %}{{ [ns] }}",
      "{{ namespace()|tojson }}",
      "{{ messages }}",
      "{{ [1] }}",
      "{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}",
      "{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}",
      "{{ " + repeated("not ", 5000) + "1 }}",
      "{{ " + repeated("-", 5000) + "1 }}",
      "{{ 1" + repeated(" + 1", 5000) + " }}",
      "{{ 'a'" + repeated("|upper", 5000) + " }}",
      "{{ a" + repeated(".a", 5000) + " }}",
      repeated("{% if true %}", 5000) + repeated("{% endif %}", 5000),
      "{{ 1 if 1 else " + repeated("1 if 1 else ", 5000) + "1 }}",
      std::string(2 << 20, 'x'),
  };
  for (const std::string& source : sources) {
    EXPECT_THROW(render(source), Error) << source.substr(0, 100);
  }
  EXPECT_THROW(render("0123456789", kHello, {.work = 1000, .output = 9}), Error);
  EXPECT_EQ(render("0123456789", kHello, {.work = 1000, .output = 10}).size(), 10u);
}

TEST(TemplateTest, LongConversationsStayFarBelowTheLimits) {
  std::vector<ChatMessage> messages;
  for (int turn = 0; turn < 500; ++turn) {
    messages.push_back({"user", std::string(1000, 'u')});
    messages.push_back({"assistant", std::string(1000, 'a')});
  }
  messages.push_back({"user", "the end"});
  for (const char* name : {"mixtral-8x7b-instruct", "mistral-nemo", "zephyr-7b-beta"}) {
    EXPECT_GT(render(chat_template(name), messages, {.work = 10'000'000}).size(), 1'000'000u);
  }
}

}  // namespace
}  // namespace octavo::test
