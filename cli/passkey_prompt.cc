#include "passkey_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "errors.h"

namespace octavo::cli {
namespace {

constexpr std::string_view kTask =
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them. "
    "I will quiz you about the important information there.";
constexpr std::string_view kFiller =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";
constexpr std::string_view kQuestion = "What is the pass key? The pass key is";
/// After the digits, so that a longer number shows as one.
constexpr int64_t kSpareTokens = 2;
constexpr int64_t kLeastKey = 10000, kKeys = 90000;

void append(std::vector<int32_t>& ids, const std::vector<int32_t>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

PasskeyPrompts::PasskeyPrompts(const Model& model)
    : model_(model),
      start_(model.tokenize(kTask)),
      filler_(continued("\n" + std::string(kFiller))),
      repeat_(continued(" " + std::string(kFiller))),
      question_(continued("\n" + std::string(kQuestion))) {}

// A tokenizer may put a blank in front of a text; behind a word it does not.
std::vector<int32_t> PasskeyPrompts::continued(std::string_view text) const {
  const std::string word = "a";
  const std::vector<int32_t> before = model_.tokenize(word, /*bos=*/false);
  std::vector<int32_t> ids = model_.tokenize(word + std::string(text), /*bos=*/false);
  if (ids.size() <= before.size() || !std::equal(before.begin(), before.end(), ids.begin())) {
    return model_.tokenize(text, /*bos=*/false);  // the word has grown together with the text
  }
  ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(before.size()));
  return ids;
}

std::vector<int32_t> PasskeyPrompts::key_line(int64_t key) const {
  return continued(fmt::format("\nThe pass key is {0}. Remember it. {0} is the pass key.", key));
}

int64_t PasskeyPrompts::answer_tokens(int64_t key) const {
  return static_cast<int64_t>(continued(fmt::format(" {}", key)).size()) + kSpareTokens;
}

int64_t PasskeyPrompts::tokens_without_filler(int64_t key) const {
  return static_cast<int64_t>(start_.size() + key_line(key).size() + question_.size()) +
         answer_tokens(key);
}

void PasskeyPrompts::append_filler(std::vector<int32_t>& ids, int64_t count) const {
  const size_t end = ids.size() + static_cast<size_t>(count);
  append(ids, filler_);
  while (ids.size() < end) append(ids, repeat_);
  ids.resize(end);
}

PasskeyPrompt PasskeyPrompts::build(int64_t length, int64_t depth, int64_t key) const {
  const int64_t filler = length - tokens_without_filler(key);
  if (filler < 0) {
    fail(ErrorCode::kInvalidArgument,
         "a length of {} tokens is too short: key, question and answer alone take {}", length,
         std::max(least_length(), length - filler));
  }
  const int64_t before = filler * depth / 100;
  PasskeyPrompt prompt;
  prompt.ids.reserve(static_cast<size_t>(length) + filler_.size());
  prompt.ids = start_;
  append_filler(prompt.ids, before);
  prompt.key_first = static_cast<int64_t>(prompt.ids.size());
  append(prompt.ids, key_line(key));
  append_filler(prompt.ids, filler - before);
  append(prompt.ids, question_);
  prompt.answer_tokens = answer_tokens(key);
  return prompt;
}

int64_t PasskeyPrompts::least_length() const {
  // Digits are tokens of their own, or some have grown together and a key needs less.
  int64_t most = 0;
  for (const int64_t key : {11111, 10203, 97531, 40967, 86420}) {
    most = std::max(most, tokens_without_filler(key));
  }
  return most;
}

int64_t passkey(uint64_t seed, int64_t length, int64_t depth, int64_t trial) {
  std::seed_seq mixed = {seed, seed >> 32, static_cast<uint64_t>(length),
                         static_cast<uint64_t>(depth), static_cast<uint64_t>(trial)};
  std::mt19937 engine(mixed);
  return kLeastKey + static_cast<int64_t>(engine() % kKeys);
}

bool is_passkey(std::string_view answer, int64_t key) {
  constexpr std::string_view kDigits = "0123456789";
  const size_t first = std::min(answer.find_first_of(kDigits), answer.size());
  const size_t end = std::min(answer.find_first_not_of(kDigits, first), answer.size());
  return answer.substr(first, end - first) == std::to_string(key);
}

}  // namespace octavo::cli
