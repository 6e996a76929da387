#include "completions.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace octavo::cli {
namespace {

struct OptionEntry {
  std::vector<std::string> short_names, long_names;  ///< without dashes
  std::string help;
  bool takes_value = false;

  /// As they are written on the command line.
  std::vector<std::string> words() const {
    std::vector<std::string> result;
    for (const std::string& name : short_names) result.push_back("-" + name);
    for (const std::string& name : long_names) result.push_back("--" + name);
    return result;
  }
};

struct CommandEntry {
  std::string name, help;
  std::vector<OptionEntry> options;
};

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::vector<OptionEntry> options_of(const CLI::App& command) {
  std::vector<OptionEntry> result;
  for (const CLI::Option* option : command.get_options()) {
    const bool is_hidden = option->get_group().empty();
    if (is_hidden || !option->nonpositional()) continue;
    result.push_back({option->get_snames(), option->get_lnames(),
                      one_line(option->get_description()), option->get_items_expected_max() > 0});
  }
  return result;
}

std::vector<CommandEntry> commands_of(const CLI::App& app) {
  std::vector<CommandEntry> result;
  const auto is_shown = [](const CLI::App* command) { return !command->get_group().empty(); };
  for (const CLI::App* command : app.get_subcommands(is_shown)) {
    result.push_back(
        {command->get_name(), one_line(command->get_description()), options_of(*command)});
  }
  return result;
}

/// Words of all options, or of those that take a value.
std::string option_words(const std::vector<OptionEntry>& options, bool with_value_only) {
  std::vector<std::string> words;
  for (const OptionEntry& option : options) {
    if (with_value_only && !option.takes_value) continue;
    for (std::string& word : option.words()) words.push_back(std::move(word));
  }
  return fmt::format("{}", fmt::join(words, " "));
}

/// `text` with a backslash before each of `special`.
std::string escaped(const std::string& text, std::string_view special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != special.npos) result += '\\';
    result += c;
  }
  return result;
}

/// In single quotes as POSIX shells and zsh read them.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string zsh_option(const OptionEntry& option) {
  const std::vector<std::string> words = option.words();
  const std::string text = "[" + escaped(option.help, "[]\\:") + "]";
  const std::string value = option.takes_value ? ":value:_files" : "";
  if (words.size() == 1) return quoted(words.front() + text + value);
  return fmt::format("'({})'{{{}}}{}", fmt::join(words, " "), fmt::join(words, ","),
                     quoted(text + value));
}

std::string fish_option(const OptionEntry& option, const std::string& condition) {
  std::string line = fmt::format("complete -c octavo -n '{}'", condition);
  for (const std::string& name : option.short_names) line += " -s " + name;
  for (const std::string& name : option.long_names) line += " -l " + name;
  if (option.takes_value) line += " -r";
  return line + fmt::format(" -d '{}'\n", escaped(option.help, "'\\"));
}

}  // namespace

std::string bash_completions(const CLI::App& app) {
  const std::vector<CommandEntry> commands = commands_of(app);
  std::string cases;
  std::string first = option_words(options_of(app), false);
  for (const CommandEntry& command : commands) {
    first += " " + command.name;
    cases += fmt::format("    {})\n      words='{}'\n      valued='{}' ;;\n", command.name,
                         option_words(command.options, false), option_words(command.options, true));
  }
  return fmt::format(R"(# bash completion of octavo, written by `octavo completions bash`.
_octavo() {{
  local words='' valued='' word=${{COMP_WORDS[COMP_CWORD]}}
  local before=${{COMP_WORDS[COMP_CWORD-1]}}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{}' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{}  esac
  # An option's value and a command's argument are files as far as the shell can know.
  case " $valued " in *" $before "*) return ;; esac
  case $word in -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;; esac
}}
complete -o default -F _octavo octavo
)",
                     first, cases);
}

std::string zsh_completions(const CLI::App& app) {
  std::string list, cases, options;
  for (const OptionEntry& option : options_of(app)) options += " " + zsh_option(option);
  for (const CommandEntry& command : commands_of(app)) {
    list += fmt::format("    {}\n", quoted(command.name + ":" + escaped(command.help, ":\\")));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const OptionEntry& option : command.options) {
      cases += fmt::format(" \\\n        {}", zsh_option(option));
    }
    cases += " \\\n        '*:file:_files' ;;\n";
  }
  return fmt::format(R"(#compdef octavo
# zsh completion of octavo, written by `octavo completions zsh`.
_octavo() {{
  local curcontext=$curcontext state line
  local -a commands
  commands=(
{})
  _arguments -C{} '1:command:->command' '*::argument:->argument'
  if [[ $state == command ]]; then
    _describe command commands
    return
  fi
  case $line[1] in
{}  esac
}}
_octavo "$@"
)",
                     list, options, cases);
}

std::string fish_completions(const CLI::App& app) {
  const std::string no_command = "__fish_use_subcommand";
  std::string text = "# fish completion of octavo, written by `octavo completions fish`.\n";
  for (const OptionEntry& option : options_of(app)) text += fish_option(option, no_command);
  for (const CommandEntry& command : commands_of(app)) {
    text += fmt::format("complete -c octavo -n '{}' -f -a {} -d '{}'\n", no_command, command.name,
                        escaped(command.help, "'\\"));
    for (const OptionEntry& option : command.options) {
      text += fish_option(option, "__fish_seen_subcommand_from " + command.name);
    }
  }
  return text;
}

}  // namespace octavo::cli
