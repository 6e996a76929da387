// Models and helpers of the session tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "support/random.h"

namespace octavo::test {

/// What a session says while it goes on greedily: every token and the logits behind it.
struct Course {
  std::vector<int32_t> ids;
  std::vector<std::vector<float>> logits;
  bool operator==(const Course&) const = default;
};

/// `count` tokens from where the session is, which must know its logits or have a last token.
inline Course go_on(Session& session, int64_t count) {
  Course course;
  std::span<const float> logits = session.prompt(session.tokens());
  for (int64_t i = 0; i < count; ++i) {
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    course.ids.push_back(static_cast<int32_t>(best));
    logits = session.feed(std::span(&course.ids.back(), 1));
    course.logits.emplace_back(logits.begin(), logits.end());
  }
  return course;
}

inline std::vector<int32_t> held(const Session& session) {
  return {session.tokens().begin(), session.tokens().end()};
}

inline ModelConfig one_layer_config(int64_t window) {
  ModelConfig config;
  config.architecture = "mistral";
  config.dim = 64;
  config.layers = 1;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.ffn_dim = 64;
  config.vocab = 100;
  config.context = 4096;
  config.window = window;
  config.rope_theta = 1e4;
  config.norm_eps = 1e-5;
  return config;
}

}  // namespace octavo::test
