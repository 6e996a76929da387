// Options for random calls of the C API: each field mostly right, else out of its range.
#pragma once

#include "capi/random_arguments.h"

namespace octavo::test {

class RandomOptions : public RandomArguments {
 public:
  static constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  octavo_model_options* model_options() {
    return sized<octavo_model_options>([this](octavo_model_options& o) {
      o.device = dice.mostly<const char*>({"cpu"}, {"abacus", "", nullptr});
      o.window = dice.mostly<int64_t>({-1, 0, 5}, {-2, kHuge, -kHuge});
      o.gpu_layers = dice.mostly<int64_t>({-1, 0, 3}, {-2, -kHuge});
      o.experts_on_cpu = dice.mostly<int64_t>({0, 1}, {2, -1});
    });
  }
  octavo_chat_options* chat_options() {
    return sized<octavo_chat_options>([this](octavo_chat_options& o) {
      o.chat_template = dice.mostly<const char*>(
          {nullptr, "auto", "mistral-v1", "{% for m in messages %}{{ m.content }}{% endfor %}"},
          {"", "{% for", "{{ messages[99].role }}", "{{ raise_exception('no') }}", "\xFF\xFE"});
      o.continue_final = dice.mostly<int64_t>({0, 1}, {2, -1});
    });
  }
  Array<octavo_chat_message> messages() {
    size_t made = 0;
    return array<octavo_chat_message>(4, [this, &made]() -> octavo_chat_message {
      const char* const next = made++ % 2 == 0 ? "user" : "assistant";
      return {dice.mostly<const char*>({next}, {"system", "robot", "", nullptr}),
              dice.mostly<const char*>({"Hello", "What is it?"}, {"", "\xFF[INST]", nullptr})};
    });
  }
  octavo_session_options* session_options() {
    return sized<octavo_session_options>([this](octavo_session_options& o) {
      o.context = dice.mostly<int64_t>({0, 1, 16, 64}, {-1, kHuge, -kHuge});
      o.chunk = dice.mostly<int64_t>({1, 4, 512, kHuge}, {0, -1});
      o.threads = dice.mostly<int64_t>({1, 1, 2, 0}, {-1, 100000, kHuge});
      o.keep = dice.mostly<int64_t>({0, 4}, {-1, kHuge});
      o.cache = dice.mostly<int32_t>({0, 1, 2, 3, 4}, {5, -1, INT32_MAX});
      o.context_shift = dice.mostly<int32_t>({0, 1}, {2, INT32_MIN});
      o.profile = dice.mostly<int64_t>({0, 1}, {2, kHuge});
    });
  }
  octavo_sampling_options* sampling_options() {
    return sized<octavo_sampling_options>([this](octavo_sampling_options& o) {
      fill_choice(o);
      fill_penalties(o);
      const auto bias = array<octavo_logit_bias>(3, [this]() -> octavo_logit_bias {
        return {dice.mostly<int32_t>({0, 7, 127}, {-1, INT32_MAX}),
                dice.mostly<float>({1, -3, -kInfinity}, {kNan, kInfinity})};
      });
      o.logit_bias = bias.values;
      o.logit_bias_count = bias.count;
      const auto breakers = strings({"\n", ":", "", "*"});
      o.dry_breakers = breakers.values;
      o.dry_breaker_count = breakers.count;
      if (dice.one_in(4)) {
        o.grammar = dice.mostly<const char*>({"", "root ::= [a-z ]*"}, {"root ::= (", "a"});
      } else if (dice.one_in(4)) {
        o.json_schema = dice.mostly<const char*>({"{\"type\": \"boolean\"}"}, {"{", "[1]"});
      }
      if (dice.wrong_one_in(20)) o.grammar = o.json_schema = "true";
    });
  }
  octavo_generate_options* generate_options() {
    return sized<octavo_generate_options>([this](octavo_generate_options& o) {
      o.max_tokens = dice.below(6);
      o.whole_prompt = dice.mostly<int64_t>({0, 1}, {2, -1});
      const auto stop = strings({"e", "the", "\n", "\xC3", ""});
      o.stop = stop.values;
      o.stop_count = stop.count;
      o.logprobs = dice.mostly<int64_t>({-1, 0, 3, 5000}, {-2, kHuge, -kHuge});
      o.speculation = dice.mostly<int64_t>({0, 1, 2}, {3, -1, kHuge});
    });
  }

 private:
  void fill_choice(octavo_sampling_options& o) {
    o.temperature = dice.mostly<float>({0, 0.8f, 1.5f}, {-1, kNan, kInfinity});
    o.top_p = dice.mostly<float>({1, 0.9f, 0}, {-1, kNan});
    o.min_p = dice.mostly<float>({0, 0.05f, 1}, {2, kNan});
    o.top_k = dice.mostly<int32_t>({0, 40, 1, INT32_MAX}, {-1});
    o.typical_p = dice.mostly<float>({1, 0.5f}, {-1, kNan});
    o.xtc_probability = dice.mostly<float>({0, 1, 0.5f}, {2, kNan});
    o.xtc_threshold = dice.mostly<float>({0.1f, 1}, {0, kNan});
    o.dynatemp_range = dice.mostly<float>({0, 0.5f, 10}, {-1, kNan});
    o.dynatemp_exponent = dice.mostly<float>({1, 2}, {-1, kInfinity});
    o.mirostat = dice.mostly<int32_t>({0, 0, 1}, {2, INT32_MIN});
    o.mirostat_tau = dice.mostly<float>({5, 0.1f}, {-1, kNan});
    o.mirostat_eta = dice.mostly<float>({0.1f, 1}, {-1, kInfinity});
    o.seed = dice.bits();
  }
  void fill_penalties(octavo_sampling_options& o) {
    o.repeat_penalty = dice.mostly<float>({1, 1.1f, 0.5f}, {0, -kInfinity});
    o.repeat_window = dice.mostly<int32_t>({64, 0, INT32_MAX}, {-1});
    o.frequency_penalty = dice.mostly<float>({0, 0.5f, -0.5f}, {kNan, kInfinity});
    o.presence_penalty = dice.mostly<float>({0, 0.5f, -0.5f}, {kNan, kInfinity});
    o.dry_multiplier = dice.mostly<float>({0, 0.8f}, {-1, kNan});
    o.dry_base = dice.mostly<float>({1.75f, 1}, {-1, kInfinity});
    o.dry_allowed_length = dice.mostly<int32_t>({2, 1, INT32_MAX}, {0, INT32_MIN});
    o.dry_window = dice.mostly<int32_t>({0, 10, INT32_MAX}, {-1});
  }
};

}  // namespace octavo::test
