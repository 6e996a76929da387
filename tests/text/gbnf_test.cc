// GBNF: what it means and what is no GBNF.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octavo/error.hpp"
#include "support/grammar_match.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

TEST(Gbnf, LiteralsSequencesAndAlternates) {
  const std::string grammar = "root ::= \"yes\" | \"no\" tail |\n  \"\"\ntail ::= \" \" \"way\"";
  for (const char* text : {"yes", "no way", ""}) EXPECT_TRUE(matches(grammar, text)) << text;
  for (const char* text : {"ye", "no", "yesno", "no way!", "x"}) {
    EXPECT_FALSE(matches(grammar, text)) << text;
  }
}

TEST(Gbnf, ClassesWithRangesNegationAndEscapes) {
  EXPECT_TRUE(matches("root ::= [a-cX]", "b"));
  EXPECT_TRUE(matches("root ::= [a-cX]", "X"));
  EXPECT_FALSE(matches("root ::= [a-cX]", "d"));
  EXPECT_TRUE(matches("root ::= [^a-c\\n]", "d"));
  EXPECT_TRUE(matches("root ::= [^a-c\\n]", "語"));
  EXPECT_FALSE(matches("root ::= [^a-c\\n]", "\n"));
  EXPECT_FALSE(matches("root ::= [^a-c\\n]", "a"));
  EXPECT_TRUE(matches("root ::= [a-]", "-"));  // a '-' at the end is itself
  EXPECT_TRUE(matches("root ::= [\\]\\[\\\\\\\"]{4}", "][\\\""));
  EXPECT_TRUE(matches("root ::= \"\\x41\\u00e9\\U0001F600\\t\\r\"", "Aé😀\t\r"));
  EXPECT_TRUE(matches("root ::= [ぁ-ゟ]+", "ひらがな"));
  EXPECT_FALSE(matches("root ::= [ぁ-ゟ]+", "カ"));
  EXPECT_TRUE(matches("root ::= . .", "é\n"));
  EXPECT_FALSE(matches("root ::= .", "\xC3"));
  EXPECT_FALSE(matches("root ::= .", "\xED\xA0\x80"));  // a surrogate
  EXPECT_FALSE(matches("root ::= .", "\xC0\x80"));      // overlong
}

TEST(Gbnf, Repetitions) {
  const auto counts = [](const std::string& repetition) {
    std::string result;
    for (size_t n = 0; n < 7; ++n) {
      if (matches("root ::= (\"a\" [x]?)" + repetition, std::string(n, 'a'))) {
        result += std::to_string(n);
      }
    }
    return result;
  };
  EXPECT_EQ(counts("*"), "0123456");
  EXPECT_EQ(counts("+"), "123456");
  EXPECT_EQ(counts("?"), "01");
  EXPECT_EQ(counts("{3}"), "3");
  EXPECT_EQ(counts("{2,}"), "23456");
  EXPECT_EQ(counts("{2,4}"), "234");
  EXPECT_EQ(counts("{0,2}"), "012");
  EXPECT_EQ(counts("{0}"), "0");
  EXPECT_EQ(counts("{1,2}{2}"), "234");
  EXPECT_TRUE(matches("root ::= (\"a\"*)* \"b\"", "aab"));  // empty inside a loop ends
  EXPECT_TRUE(matches("root ::= (\"\")* \"b\"", "b"));
}

TEST(Gbnf, RecursionCommentsAndLines) {
  const std::string grammar =
      "# balanced\nroot ::= pair+  # at least one\n\npair ::= (\n  \"(\" # open\n  pair*\n "
      "\")\"\n)\r\n";
  EXPECT_TRUE(matches(grammar, "(()())()"));
  EXPECT_FALSE(matches(grammar, "(()"));
  EXPECT_FALSE(matches(grammar, ""));
  std::string deep(5000, '(');
  deep += std::string(5000, ')');
  EXPECT_TRUE(matches(grammar, deep));
}

TEST(Gbnf, RightRecursionStaysSmall) {
  EXPECT_TRUE(matches("root ::= \"a\" root | \"b\"", std::string(200'000, 'a') + "b"));
}

/// The message for a faulty grammar.
std::string fault(const std::string& grammar) {
  try {
    matches(grammar, "");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(Gbnf, FaultsAreNamedWithTheirLine) {
  const std::pair<const char*, const char*> faults[] = {
      {"", "no rule named 'root'"},
      {"rot ::= \"a\"", "no rule named 'root'"},
      {"root ::= \"a\"\n\nother := \"b\"", "line 3: '::=' expected after the name 'other'"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2: rule 'root' is defined a second time"},
      {"root ::=\n  \"a\" missing", "line 2: rule 'missing' is not defined"},
      {"root ::= \"a", "line 1: a string that does not end"},
      {"root ::= [a-", "does not end"},
      {"root ::= []", "a class [] of nothing"},
      {"root ::= [z-a]", "a range whose end is before its start"},
      {"root ::= \"\\q\"", "an unknown escape"},
      {"root ::= \"\\x4\"", "too few hexadecimal digits"},
      {"root ::= \"\\U00110000\"", "past the last code point"},
      {"root ::= \"\\uD800\"", "no character"},
      {"root ::= (\"a\"", "')' expected, not the end"},
      {"root ::= \"a\")", "the end of the line expected, not ')'"},
      {"root ::= *", "'*' has nothing in front of it"},
      {"root ::= \"a\"{3,2}", "at most fewer times"},
      {"root ::= \"a\"{x}", "a number expected"},
      {"root ::= \"a\"{1", "'}' expected"},
      {"root ::= \"a\"{9999999}", "more than 1000000"},
      {"root ::= \"\xFF\"", "no UTF-8"},
      {"root ::= ((\"a\"{1000}){1000} \"b\"{900000}){900000}", "too large"},
      {"root ::= (\"\"{1000000}){1000000}", "too large"},
      {"root ::= root \"a\" | \"b\"", "rule 'root' comes back to itself"},
      {"root ::= a\na ::= b? c\nb ::= \"x\"\nc ::= a \"y\"", "comes back to itself"},
      {"root ::= a* root2\na ::= \"x\"?\nroot2 ::= (a root2 | \"z\")", "'root2' comes back"},
  };
  for (const auto& [grammar, message] : faults) {
    EXPECT_THAT(fault(grammar), HasSubstr(message)) << grammar;
  }
  EXPECT_THAT(fault("root ::= " + std::string(1000, '(')), HasSubstr("too many groups"));
  EXPECT_THAT(fault("root ::= \"a\"" + std::string(1000, '*')), HasSubstr("too many repetitions"));
}

TEST(Gbnf, RepetitionsOfRepetitionsDoNotMultiply) {
  const std::string grammar = "root ::= (\"a\" [b]?)" + std::string(100, '+');
  EXPECT_LT(compiled(grammar)->nodes.size(), 1000u);
  EXPECT_TRUE(matches(grammar, "aababa"));
  EXPECT_FALSE(matches(grammar, "bb"));
}

TEST(Gbnf, TooManyWaysAtOnceEndWithAnError) {
  // After n letters each of them may have been the last of the first part.
  const std::string grammar =
      "root ::= (first second){2}\nfirst ::= \"a\" first | \"a\" first \"b\" | \"b\"\n"
      "second ::= \"a\"*";
  try {
    matches(grammar, std::string(100'000, 'a'));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("too ambiguous"));
  }
}

}  // namespace
}  // namespace octavo::test
