// What the fuzzer of chat templates feeds, and what must hold for anything that renders.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>

#include "octavo/error.hpp"
#include "text/template/interpreter.h"

namespace octavo::test {

inline jinja::Value fuzz_messages() {
  using jinja::Value;
  jinja::List messages;
  for (const char* role : {"system", "user", "assistant", "user"}) {
    jinja::Dictionary message;
    message.set("role", Value(role));
    message.set("content",
                Value(jinja::MarkedText(" <s>[INST] \xC3\xA9 {{ x }}\n", jinja::Origin::kMessage)));
    messages.emplace_back(std::move(message));
  }
  return Value(std::move(messages));
}

/// The whole input is a template.
inline void fuzz_template(std::span<const uint8_t> input) {
  using jinja::Value;
  const auto expect_that = [](bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);  // not an octavo::Error: the fuzzer reports it
  };
  constexpr jinja::RenderLimits kLimits = {.work = 200'000, .output = 100'000};
  try {
    const jinja::MarkedText text =
        jinja::render_template({reinterpret_cast<const char*>(input.data()), input.size()},
                               {{"messages", fuzz_messages()},
                                {"add_generation_prompt", Value(true)},
                                {"bos_token", Value("<s>")},
                                {"eos_token", Value("</s>")},
                                {"tools", Value(jinja::None{})}},
                               kLimits);
    expect_that(text.bytes.size() == text.origins.size(), "a byte without its origin");
    expect_that(text.size() <= kLimits.output, "more output than allowed");
    for (const char origin : text.origins) {
      expect_that(origin >= 0 && origin <= static_cast<char>(jinja::Origin::kMessage),
                  "an origin that nobody has");
    }
  } catch (const Error& error) {
    expect_that(std::strchr(error.what(), '\n') == nullptr, "a message of many lines");
  }
}

}  // namespace octavo::test
