#include "chat_loop.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "commands.h"
#include "conversation_file.h"
#include "errors.h"
#include "files.h"
#include "interrupts.h"
#include "progress.h"

namespace octavo::cli {
namespace {

void say(const std::string& text) { std::fputs((text + "\n").c_str(), stderr); }

std::string rate_text(const char* what, int64_t tokens, double seconds) {
  return fmt::format("{:<9} {:>6} tokens {:>8.2f} s {:>8.1f} tokens/s", what, tokens, seconds,
                     seconds > 0 ? static_cast<double>(tokens) / seconds : 0);
}

std::string_view without_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

}  // namespace

struct ChatLoop::Command {
  std::string_view name, argument, help;
  bool (ChatLoop::*run)(const std::string& argument);
};

const ChatLoop::Command ChatLoop::kCommands[] = {
    {"/help", "", "this list", &ChatLoop::help},
    {"/reset", "", "start anew, with the same system prompt", &ChatLoop::reset},
    {"/system", "TEXT", "start anew with this system prompt; without TEXT: with none",
     &ChatLoop::set_system},
    {"/save", "FILE", "write the conversation to a file", &ChatLoop::save},
    {"/load", "FILE", "go on with a conversation from a file", &ChatLoop::load},
    {"/stats", "", "speed of the last answer, and how full the context is", &ChatLoop::stats},
    {"/exit", "", "leave (so does Ctrl-D)", &ChatLoop::leave},
};

ChatLoop::ChatLoop(Conversation& conversation, bool terminal)
    : conversation_(conversation),
      terminal_(terminal),
      editor_(terminal ? make_line_editor() : make_script_reader()) {
  Interrupts::catch_all();
}

int ChatLoop::run(const std::string& first) {
  if (terminal_) say("Type a message, /help for what else there is. Ctrl-C stops an answer.");
  if (!first.empty()) {
    answer(first);
    if (stopped_) return kExitInterrupted;
  }
  for (;;) {
    std::string message;
    const LineOutcome outcome = read_message(message);
    if (outcome == LineOutcome::kEnd) return kExitDone;
    if (outcome == LineOutcome::kCleared || without_blanks(message).empty()) continue;
    editor_->remember(message);
    bool goes_on = true;
    try {
      goes_on = handle(message);
    } catch (const Error& error) {
      if (!terminal_) throw;
      say(fmt::format("octavo: {}", error.what()));
    }
    if (stopped_) return kExitInterrupted;
    if (!goes_on) return kExitDone;
  }
}

LineOutcome ChatLoop::read_message(std::string& message) {
  for (const char* prompt = "> ";; prompt = "… ") {
    std::string line;
    const LineOutcome outcome = editor_->read(prompt, line);
    Interrupts::clear();  // at the prompt it has done what it does
    if (outcome != LineOutcome::kLine) return outcome;
    const bool goes_on = line.ends_with('\\');
    if (goes_on) line.back() = '\n';
    message += line;
    if (!goes_on) return outcome;
  }
}

bool ChatLoop::handle(const std::string& text) {
  // What has several lines was pasted or written as a message; "//" begins one with a slash.
  if (text.starts_with("//")) {
    answer(text.substr(1));
  } else if (text.starts_with('/') && text.find('\n') == std::string::npos) {
    return run_command(text);
  } else {
    answer(text);
  }
  return true;
}

bool ChatLoop::run_command(std::string_view text) {
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view name = text.substr(0, end);
  const std::string argument(without_blanks(text.substr(end)));
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    if (command.argument.empty() && !argument.empty()) {
      fail(ErrorCode::kInvalidArgument, "{} takes nothing behind it", name);
    }
    if (command.argument == "FILE" && argument.empty()) {
      fail(ErrorCode::kInvalidArgument, "{} needs the name of a file", name);
    }
    return (this->*command.run)(argument);
  }
  fail(ErrorCode::kInvalidArgument,
       "there is no command {}; /help lists them, and // begins a message with a slash",
       printable(name));
}

void ChatLoop::answer(const std::string& text) {
  std::optional<ProgressBar> bar;
  if (terminal_) bar.emplace("reading", "tokens");
  const auto on_prompt = [&bar](int64_t done, int64_t total) {
    constexpr int64_t kShort = 64;  // read before anybody sees a bar; and so is a decoded token
    if (bar && total > kShort) bar->show(done, total);
    return !Interrupts::requested();
  };
  const auto on_text = [&bar](const std::string& part) {
    bar.reset();
    write_output(part);
    return !Interrupts::requested();
  };
  Answer given = conversation_.ask(text, on_text, on_prompt);
  bar.reset();
  write_output("\n");
  if (given.dropped > 0) {
    say(fmt::format("[the oldest {} turns went, to make room]", given.dropped));
  }
  if (given.interrupted && terminal_) say("[stopped]");
  if (given.result.reason == StopReason::kContextFull) {
    say("[the context is full; /reset starts anew, --ctx gives more room, --context-shift lets go "
        "of the oldest turns]");
  }
  stopped_ = given.interrupted && !terminal_;
  Interrupts::clear();
  last_ = std::move(given);
  ++answers_;
}

bool ChatLoop::help(const std::string&) {
  std::string text;
  for (const Command& command : kCommands) {
    const std::string usage = fmt::format("{} {}", command.name, command.argument);
    text += fmt::format("  {:<14} {}\n", usage, command.help);
  }
  say(text +
      "A line that ends in \\ goes on in the next, and so it does after Alt-Enter; what is pasted "
      "stays\none message. // begins a message with a slash. Ctrl-C stops an answer, Ctrl-D "
      "leaves.");
  return true;
}

bool ChatLoop::reset(const std::string&) {
  conversation_.reset();
  return true;
}

bool ChatLoop::set_system(const std::string& argument) {
  conversation_.set_system(argument);
  return true;
}

bool ChatLoop::save(const std::string& argument) {
  save_conversation(argument, conversation_.messages());
  if (terminal_) say(fmt::format("[saved in {}]", argument));
  return true;
}

bool ChatLoop::load(const std::string& argument) {
  conversation_.set_messages(load_conversation(argument));
  if (terminal_) {
    say(fmt::format("[{} messages from {}]", conversation_.messages().size(), argument));
  }
  return true;
}

bool ChatLoop::stats(const std::string&) {
  const Session& session = conversation_.session();
  const GenerateResult& result = last_.result;
  if (answers_ > 0) {
    say(rate_text("question", result.prompt_tokens - result.reused, result.prefill_seconds));
    say(rate_text("answer", result.generated_tokens, result.decode_seconds));
  }
  say(fmt::format("{:<9} {:>6} of {} tokens, keys and values {:.1f} MB", "context",
                  session.position(), session.context(),
                  static_cast<double>(session.cache_bytes()) / 1e6));
  say(fmt::format("{:<9} {:>6} messages, {} answers so far", "said",
                  conversation_.messages().size(), answers_));
  return true;
}

bool ChatLoop::leave(const std::string&) { return false; }

}  // namespace octavo::cli
