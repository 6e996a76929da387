// Patterns over the tensors' names: "layers.[0-3,28-].experts.{1,6}.w*".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Matches whole names. `*` stands for any characters, dots too; `[8-15]`, `[0,2,28-]` for a whole
/// number in one of the ranges; `{wq,wk}` for one of the texts, in which both may stand.
class TensorPattern {
 public:
  /// Throws Error(kInvalidArgument) for a pattern that is not well formed.
  explicit TensorPattern(std::string_view text);

  bool matches(std::string_view name) const;

 private:
  struct Range {
    int64_t first, last;
  };
  struct Part {
    enum class Kind : uint8_t { kText, kAny, kNumber, kChoice };
    Kind kind = Kind::kText;
    std::string text = {};
    std::vector<Range> ranges = {};
    std::vector<std::vector<Part>> choices = {};
  };
  /// Element i: the first i characters of the name are used up.
  using Reached = std::vector<bool>;

  static std::vector<Part> parse(std::string_view text, bool in_choice);
  static Part parse_number(std::string_view text, std::string_view inside);
  static Part parse_choice(std::string_view text, std::string_view inside);
  static Reached follow(const std::vector<Part>& parts, std::string_view name, Reached from);
  static Reached follow_part(const Part& part, std::string_view name, const Reached& from);

  std::vector<Part> parts_;
};

}  // namespace octavo
