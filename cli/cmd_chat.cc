// octavo chat: a conversation with the model.
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "chat_loop.h"
#include "commands.h"
#include "conversation_file.h"
#include "files.h"
#include "options.h"
#include "sampling_options.h"

namespace octavo::cli {
namespace {

struct ChatArguments {
  ModelArguments model;
  ConversationOptions options;
  std::string system;
  std::string first, first_file;
  std::string chat_template = "auto";
  std::string session;  ///< a file, see SavedChat; empty: none
  bool safe = false;
};

/// --session FILE: keys and values in FILE, what was said in FILE.json.
class SavedChat {
 public:
  explicit SavedChat(std::string path) : path_(std::move(path)) {}

  void restore(Conversation& conversation) const {
    if (path_.empty() || !std::filesystem::exists(messages_path())) return;
    conversation.set_messages(load_conversation(messages_path()));
    // Without it the conversation is only computed anew.
    if (std::filesystem::exists(path_)) conversation.restore_session(path_);
  }
  void save(const Conversation& conversation) const {
    if (path_.empty() || conversation.session().position() == 0) return;
    conversation.session().save(path_);
    save_conversation(messages_path(), conversation.messages());
  }

 private:
  std::string messages_path() const { return path_ + ".json"; }

  const std::string path_;
};

ConversationOptions conversation_options(const ChatArguments& arguments) {
  ConversationOptions options = arguments.options;
  const bool context_shift = options.session.context_shift;
  finish_sampling_options(options.sampling);  // wrong values show before the model is opened
  options.session = session_options(arguments.model);
  options.session.context_shift = context_shift;
  const std::string& choice = arguments.chat_template;
  const bool named = choice == "auto" || choice == "mistral-v1";
  options.chat.chat_template = named ? choice : read_file(choice);
  return options;
}

int chat(const ChatArguments& arguments) {
  const ConversationOptions options = conversation_options(arguments);
  const std::string first =
      arguments.first_file.empty() ? arguments.first : read_file(arguments.first_file);
  const Model model = open_model(arguments.model);
  const std::string system = arguments.safe ? std::string(kGuardrailPrompt) : arguments.system;
  Conversation conversation(model, options, system);
  const SavedChat saved(arguments.session);
  saved.restore(conversation);
  const int code = ChatLoop(conversation, ::isatty(STDIN_FILENO) != 0).run(first);
  saved.save(conversation);
  return code;
}

void add_conversation_options(CLI::App& command, ChatArguments& arguments) {
  CLI::Option* system =
      command.add_option("--system", arguments.system, "The system prompt: how the model is to be");
  system->type_name("TEXT");
  command
      .add_flag("--safe", arguments.safe,
                "The system prompt by which the Mistral 7B paper keeps answers harmless")
      ->excludes(system);
  command
      .add_option("--template", arguments.chat_template,
                  "How messages become tokens: auto (the model's own template), mistral-v1 (the "
                  "official encoding of Mixtral-Instruct), or a file with a Jinja template")
      ->type_name("T")
      ->capture_default_str();
  CLI::Option* first =
      command.add_option("-p,--prompt", arguments.first, "The first message")->type_name("TEXT");
  command.add_option("-f,--file", arguments.first_file, "Read the first message from a file")
      ->type_name("FILE")
      ->excludes(first);
  command
      .add_option("-n,--tokens", arguments.options.max_tokens,
                  "Tokens of an answer at most; -1: until the model ends it")
      ->type_name("N")
      ->check(whole_number(-1))
      ->capture_default_str();
}

}  // namespace

void add_chat_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("chat", "Talk with a model");
  const auto arguments = std::make_shared<ChatArguments>();
  add_model_argument(*command, arguments->model.path);
  add_conversation_options(*command, *arguments);
  add_sampling_options(*command, arguments->options.sampling);
  add_speculation_option(*command, arguments->options.speculation);
  add_threads_option(*command, arguments->model.threads);
  add_context_option(*command, arguments->model.context, 1,
                     "Tokens that the conversation may have (default: the model's own)");
  add_window_option(*command, arguments->model.window);
  add_cache_options(*command, arguments->model);
  add_device_option(*command, arguments->model.device);
  add_offload_options(*command, arguments->model);
  command->add_flag("--context-shift", arguments->options.session.context_shift,
                    "When the context is full, let go of the oldest turns");
  command
      ->add_option(
          "--session", arguments->session,
          "Go on with the conversation in FILE and FILE.json, and save it there at the end")
      ->type_name("FILE");
  command->footer(
      "In the conversation, /help lists the commands; Ctrl-C stops an answer, Ctrl-D leaves.\n"
      "Where standard input is no terminal, each line is a message, answers alone go to standard\n"
      "output, and the first failure ends it with exit code 1.");
  command->callback([command, arguments, &action] {
    draw_seed(*command, arguments->options.sampling);
    action = [arguments] { return chat(*arguments); };
  });
}

}  // namespace octavo::cli
