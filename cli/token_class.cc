#include "token_class.h"

#include <algorithm>

namespace octavo::cli {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD: part of a character

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

TokenClass classify(std::string_view text) {
  if (text.empty() || text.find(kReplacement) != std::string_view::npos) return TokenClass::kOther;
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 128; });
  if (!ascii) return TokenClass::kNonAscii;
  const auto first =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_space) - text.begin());
  if (first == text.size()) return TokenClass::kWhiteSpace;
  if (is_letter(text[first])) return first > 0 ? TokenClass::kWordStart : TokenClass::kWordPart;
  return is_digit(text[first]) ? TokenClass::kNumber : TokenClass::kPunctuation;
}

std::vector<TokenClass> classify_vocabulary(const Model& model) {
  // A token's own text is what it adds behind another: at a text's start a space would be lost.
  const std::vector<int32_t> anchor = model.tokenize("a", false);
  const size_t anchored = model.detokenize(anchor).size();
  std::vector<TokenClass> classes;
  std::vector<int32_t> ids = anchor;
  ids.push_back(0);
  for (int64_t id = 0; id < model.info().vocab; ++id) {
    ids.back() = static_cast<int32_t>(id);
    classes.push_back(classify(std::string_view(model.detokenize(ids)).substr(anchored)));
  }
  return classes;
}

}  // namespace octavo::cli
