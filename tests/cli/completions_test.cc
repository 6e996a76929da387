// What ships beside the program knows its commands and options: completions and the manual.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "cli/program.h"
#include "support/command.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;
using Words = std::set<std::string>;

/// The first group of every match.
Words matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern, std::regex::multiline);
  Words words;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    words.insert((*match)[1]);
  }
  return words;
}

/// Commands of `octavo --help`, options of `octavo COMMAND --help`.
Words commands() {
  const std::string help = run_program({"--help"}).out;
  return matches(help.substr(help.find("Subcommands:")), "^  ([a-z]+)  ");
}
Words options(const std::string& command) {
  const std::string help = run_program({command, "--help"}).out;
  Words words = matches(help, "^  (-[a-zA-Z])[ ,]");
  words.merge(matches(help, "^  (?:-[a-zA-Z],)?(--[a-z0-9-]+)"));
  return words;
}

std::string script(const std::string& shell) {
  const Outcome outcome = run_program({"completions", shell});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.out;
}

/// What bash offers for the last of `words`.
Words offered_by_bash(const std::string& words) {
  const TempDir folder;
  write_file(folder.file("octavo"), script("bash"));
  const std::string lines = "source " + folder.file("octavo") + "; COMP_WORDS=(octavo " + words +
                            "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _octavo; "
                            "printf '%s\\n' \"${COMPREPLY[@]}\"";
  write_file(folder.file("lines"), lines);
  return matches(run_command("bash " + folder.file("lines")).output, "^(.+)$");
}

TEST(Completions, BashOffersEveryCommandAndOption) {
  const Words all = commands();
  ASSERT_GE(all.size(), 11u);
  Words first = offered_by_bash("''");
  EXPECT_EQ(first.erase("--help") + first.erase("-h") + first.erase("--version"), 3u);
  EXPECT_EQ(first, all);
  for (const std::string& command : all) {
    EXPECT_EQ(offered_by_bash(command + " -"), options(command)) << command;
  }
  EXPECT_EQ(offered_by_bash("run --tok"), Words{"--tokens"});
  EXPECT_EQ(offered_by_bash("run --file --to"), Words{});  // a file's name
}

TEST(Completions, OtherShellsKnowThemToo) {
  const std::string zsh = script("zsh"), fish = script("fish");
  for (const std::string& command : commands()) {
    EXPECT_THAT(zsh, HasSubstr("'" + command + ":"));
    EXPECT_THAT(fish, HasSubstr(" -a " + command + " "));
    const size_t begin = zsh.find("    " + command + ")\n");
    ASSERT_NE(begin, zsh.npos);
    const std::string in_zsh = zsh.substr(begin, zsh.find(";;", begin) - begin);
    for (const std::string& option : options(command)) {
      EXPECT_THAT(in_zsh, HasSubstr(option)) << command;
      const bool is_long = option.starts_with("--");
      const std::string in_fish = (is_long ? " -l " : " -s ") + option.substr(is_long ? 2 : 1);
      EXPECT_FALSE(
          matches(fish, "(__fish_seen_subcommand_from " + command + "'.*" + in_fish + " )").empty())
          << command << " " << option;
    }
  }
}

TEST(Completions, ShellsThatAreInstalledReadThem) {
  const TempDir folder;
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    if (run_command("command -v " + shell).exit_code != 0) continue;
    write_file(folder.file(shell), script(shell));
    const CommandOutcome outcome = run_command(shell + " -n " + folder.file(shell));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  }
}

TEST(Completions, AnotherShellIsRefused) {
  EXPECT_EQ(run_program({"completions", "tcsh"}).exit_code, 2);
  EXPECT_EQ(run_program({"completions"}).exit_code, 2);
}

TEST(Manual, HasEveryCommand) {
  const std::string manual = read_file(OCTAVO_SOURCE_DIR "/cli/octavo.1.in");
  EXPECT_EQ(matches(manual, "^\\.B octavo ([a-z]+)$"), commands());
}

}  // namespace
}  // namespace octavo::test
