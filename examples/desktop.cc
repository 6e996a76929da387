// The threads of a desktop application without its windows: desktop MODEL.8vo [--stop-after N]
//
// The UI thread runs an event loop and never computes. A worker thread owns the session: it gets
// requests, and what it generates comes back as events. Stop ends an answer within a token, or
// within a layer of the model while a prompt is read; closing does so too, and waits for the
// worker.
//
// Lines of the standard input stand for what a user does: a message, /stop, /quit. At the input's
// end the program answers what is left and ends. --stop-after N presses Stop after N tokens of the
// first answer.
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <iostream>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "octavo/octavo.hpp"

namespace {

// What the UI thread hears of.
struct Typed {
  std::string line;
};
struct InputEnded {};
struct Piece {
  std::string text;
};
struct Finished {
  octavo::GenerateResult result;
};
struct Failed {
  std::string message;
};
using Event = std::variant<Typed, InputEnded, Piece, Finished, Failed>;

/// From any thread to the UI thread. It has room for a few: a UI that cannot follow slows the
/// worker down, and what the user sees is never far behind what is computed.
class EventQueue {
 public:
  static constexpr size_t kCapacity = 8;

  /// Waits for room; after close() the event is dropped.
  void post(Event event) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return events_.size() < kCapacity || is_closed_; });
    if (is_closed_) return;
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  Event wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !events_.empty(); });
    Event event = std::move(events_.front());
    events_.pop_front();
    changed_.notify_all();
    return event;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;  ///< at most kCapacity
  bool is_closed_ = false;
};

/// A thread with a conversation and its session. The functions are for the UI thread.
class Worker {
 public:
  Worker(octavo::Session session, EventQueue& events)
      : events_(events), session_(std::move(session)) {
    thread_ = std::jthread([this](const std::stop_token& quit) {
      while (const std::optional<Request> request = next(quit)) answer(*request);
    });
  }
  ~Worker() {
    stop();
    thread_.request_stop();  // and its destructor waits for it
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Answers one message; Finished or Failed tells the end.
  void ask(std::string message) {
    cancel_ = std::stop_source();  // each request has its own: a late Stop does not hit the next
    const std::lock_guard lock(mutex_);
    request_ = Request{std::move(message), cancel_.get_token()};
    changed_.notify_one();
  }
  /// Ends the answer that is being made.
  void stop() { cancel_.request_stop(); }

 private:
  struct Request {
    std::string message;
    std::stop_token cancel;
  };

  /// Waits for a request; none when the worker is to end.
  std::optional<Request> next(const std::stop_token& quit) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, quit, [this] { return request_.has_value(); });
    return std::exchange(request_, std::nullopt);
  }
  void answer(const Request& request) {
    messages_.push_back({"user", request.message});
    std::string said;
    try {
      const octavo::GenerateResult result =
          octavo::generate(session_, messages_, {.max_tokens = 300, .cancel = request.cancel}, {},
                           [&](const octavo::Token& token) {
                             said += token.text;
                             events_.post(Piece{token.text});
                             return true;
                           });
      remember(std::move(said));
      events_.post(Finished{result});
    } catch (const std::exception& error) {  // octavo::Error, or no memory
      messages_.pop_back();
      events_.post(Failed{error.what()});
    }
  }
  void remember(std::string said) {
    if (said.empty()) return messages_.pop_back();  // stopped at once: as if never asked
    messages_.push_back({"assistant", std::move(said)});
  }

  EventQueue& events_;
  std::stop_source cancel_;  ///< of the last request; of the UI thread alone
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Request> request_;
  octavo::Session session_;  ///< of the worker thread alone, as what was said
  std::vector<octavo::ChatMessage> messages_;
  std::jthread thread_;  ///< last: it uses all of the above
};

/// The window: what is shown, and what the user may do.
class Window {
 public:
  Window(Worker& worker, int64_t stop_after) : worker_(worker), stop_after_(stop_after) {}

  /// Handles one event; false: the window is closed.
  bool handle(const Event& event) {
    std::visit([this](const auto& each) { on(each); }, event);
    if (!is_busy_ && !waiting_.empty()) {
      is_busy_ = true;
      tokens_ = 0;
      worker_.ask(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    return !is_quitting_ && (is_busy_ || !is_input_ended_);
  }
  bool has_failed() const { return has_failed_; }

 private:
  void on(const Typed& typed) {
    if (typed.line == "/quit") {
      is_quitting_ = true;
    } else if (typed.line == "/stop") {
      worker_.stop();
    } else if (!typed.line.empty()) {
      waiting_.push_back(typed.line);
    }
  }
  void on(const InputEnded&) { is_input_ended_ = true; }
  void on(const Piece& piece) {
    std::cout << piece.text << std::flush;
    if (++tokens_ == stop_after_) {
      stop_after_ = 0;
      worker_.stop();
    }
  }
  void on(const Finished& finished) {
    is_busy_ = false;
    const bool is_stopped = finished.result.reason == octavo::StopReason::kCancelled;
    std::cout << "\n[" << (is_stopped ? "stopped after " : "done: ")
              << finished.result.generated_tokens << " tokens]" << std::endl;
  }
  void on(const Failed& failed) {
    is_busy_ = false;
    has_failed_ = true;
    std::cerr << "desktop: " << failed.message << '\n';
  }

  Worker& worker_;
  std::deque<std::string> waiting_;  ///< messages typed while an answer was being made
  int64_t stop_after_;               ///< tokens; 0: never
  int64_t tokens_ = 0;               ///< shown of this answer
  bool is_busy_ = false, is_input_ended_ = false, is_quitting_ = false, has_failed_ = false;
};

/// Stands for the toolkit's own events; it ends with its input or at /quit.
void read_input(EventQueue& events) {
  for (std::string line; std::getline(std::cin, line);) {
    const bool is_last = line == "/quit";
    events.post(Typed{std::move(line)});
    if (is_last) return;
  }
  events.post(InputEnded{});
}

/// True when nothing went wrong.
bool run(const char* path, int64_t stop_after) {
  EventQueue events;
  // Both are quick: the file is mapped, and a session's memory grows with its tokens.
  Worker worker(octavo::Session(octavo::Model::open(path)), events);
  const std::jthread input([&events] { read_input(events); });
  Window window(worker, stop_after);
  while (window.handle(events.wait())) {
  }
  events.close();  // a worker that waits for room goes on; the destructors end it and join
  return !window.has_failed();
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const bool is_help = arguments.size() == 1 && arguments[0] == "--help";
  const bool has_stop = arguments.size() == 3 && arguments[1] == "--stop-after";
  const int64_t stop_after = has_stop ? std::atoll(argv[3]) : 0;
  if (is_help || (has_stop ? stop_after < 1 : arguments.size() != 1)) {
    (is_help ? std::cout : std::cerr)
        << "usage: desktop MODEL.8vo [--stop-after N]\n"
           "Lines of the standard input are messages; /stop ends an answer, /quit the program.\n";
    return is_help ? 0 : 2;
  }
  return run(argv[1], stop_after) ? 0 : 1;
} catch (const octavo::Error& error) {
  std::cerr << "desktop: " << error.what() << '\n';
  return 1;
}
