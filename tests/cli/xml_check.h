// Whether a text is well-formed XML of the simple kind that the plots are.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::test {

/// Nothing, or what is wrong. Knows tags, attributes in double quotes, and the named entities.
class XmlCheck {
 public:
  explicit XmlCheck(std::string_view text) : rest_(text) {}

  std::string problem() {
    while (!rest_.empty()) {
      const size_t end = std::min(rest_.find('<'), rest_.size());
      if (!is_text(rest_.substr(0, end))) return "bad text: " + std::string(rest_.substr(0, end));
      if (open_.empty() && rest_.substr(0, end).find_first_not_of(" \n") < end) {
        return "text outside the root";
      }
      rest_.remove_prefix(end);
      if (!rest_.empty() && !tag()) return "bad tag: " + std::string(rest_.substr(0, 80));
    }
    if (!open_.empty()) return "never closed: " + open_.back();
    return roots_ == 1 ? "" : "not one root";
  }

 private:
  static bool is_text(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (static_cast<unsigned char>(text[i]) < 0x20 && text[i] != '\n') return false;
      if (text[i] != '&') continue;
      bool known = false;
      for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;"}) {
        known = known || text.substr(i).starts_with(entity);
      }
      if (!known) return false;
    }
    return text.find('<') == text.npos;
  }

  std::string name() {
    size_t end = 0;
    while (end < rest_.size() &&
           (std::isalnum(static_cast<unsigned char>(rest_[end])) != 0 || rest_[end] == '-')) {
      ++end;
    }
    std::string result(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return result;
  }

  bool skip(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }

  bool attribute() {
    if (name().empty() || !skip("=\"")) return false;
    const size_t end = rest_.find('"');
    if (end == rest_.npos || !is_text(rest_.substr(0, end))) return false;
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool tag() {
    if (skip("</")) {
      const bool fits = !open_.empty() && name() == open_.back() && skip(">");
      if (fits) open_.pop_back();
      return fits;
    }
    if (!skip("<")) return false;
    const std::string opened = name();
    if (opened.empty()) return false;
    roots_ += open_.empty() ? 1 : 0;
    while (skip(" ")) {
      if (!attribute()) return false;
    }
    if (skip("/>")) return true;
    open_.push_back(opened);
    return skip(">");
  }

  std::string_view rest_;
  std::vector<std::string> open_;
  int roots_ = 0;
};

inline std::string xml_problem(std::string_view text) { return XmlCheck(text).problem(); }

}  // namespace octavo::test
