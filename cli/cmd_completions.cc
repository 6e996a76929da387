// octavo completions: scripts that teach a shell the program's commands and options.
#include "commands.h"
#include "completions.h"
#include "files.h"

namespace octavo::cli {

void add_completions_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("completions", "Write a shell's completion script");
  command->group("");  // for packages; those who use the program have no need of it
  const auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, shell, &action] {
    action = [&app, shell] {
      write_output(*shell == "bash"  ? bash_completions(app)
                   : *shell == "zsh" ? zsh_completions(app)
                                     : fish_completions(app));
      return kExitDone;
    };
  });
}

}  // namespace octavo::cli
