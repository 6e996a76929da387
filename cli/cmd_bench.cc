// octavo bench: prefill and decode speed, beside what the machine was just measured to do.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <random>
#include <vector>

#include "bench_report.h"
#include "commands.h"
#include "device_comparison.h"
#include "files.h"
#include "octavo/inspect.hpp"
#include "octavo/octavo.hpp"
#include "progress.h"

namespace octavo::cli {
namespace {

/// Seconds that work() takes.
template <class Work>
double seconds_of(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Memory that belongs to this process alone (the mapped model does not), in bytes.
int64_t private_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoll(line.substr(8)) * 1024;
  }
  return 0;
}

/// Ids that a text would not repeat: every expert gets its share.
std::vector<int32_t> random_ids(int64_t count, int64_t vocab) {
  std::mt19937 engine(1);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(engine() % static_cast<uint64_t>(vocab));
  return ids;
}

/// Draws a bar over the calls of a session, on a terminal; next to nothing in the time of a chunk.
class WatchedSession {
 public:
  WatchedSession(Session& session, const char* label) : session_(session), bar_(label, "tokens") {
    session_.on_progress([this](int64_t done, int64_t total) {
      bar_.show(done, total);
      return true;
    });
  }
  ~WatchedSession() { session_.on_progress({}); }
  WatchedSession(const WatchedSession&) = delete;
  WatchedSession& operator=(const WatchedSession&) = delete;

 private:
  Session& session_;
  ProgressBar bar_;
};

void run_prefill(const BenchArguments& arguments, Session& session, BenchResult& result) {
  const auto ids = random_ids(arguments.prompt, session.model().info().vocab);
  for (int64_t i = 0; i < arguments.repetitions && !ids.empty(); ++i) {
    const WatchedSession watched(session, "prefill");
    session.reset();
    session.reset_profile();
    result.prefill.push_back(static_cast<double>(arguments.prompt) /
                             seconds_of([&] { session.feed(ids); }));
    result.prefill_ops = session.profile();
  }
}

/// The session then holds `ids`; those that it holds already are not computed again.
void fill_cache(Session& session, std::span<const int32_t> ids) {
  if (ids.empty()) {
    session.reset();
    return;
  }
  const WatchedSession watched(session, "filling the cache");
  session.prompt(ids);
}

void run_decode(const BenchArguments& arguments, Session& session, BenchResult& result) {
  const auto ids = random_ids(arguments.depth + arguments.generate, session.model().info().vocab);
  const auto behind = std::span(ids).first(static_cast<size_t>(arguments.depth));
  for (int64_t i = 0; i < arguments.repetitions && arguments.generate > 0; ++i) {
    fill_cache(session, behind);
    session.reset_profile();
    result.decode.push_back(static_cast<double>(arguments.generate) / seconds_of([&] {
                              for (const int32_t id : std::span(ids).subspan(behind.size()))
                                session.feed({&id, 1});
                            }));
    result.decode_ops = session.profile();
  }
}

/// Keys that a token sees on average, over `tokens` of them behind `before` others.
double mean_keys(const ModelInfo& model, int64_t before, int64_t tokens) {
  double sum = 0;
  for (int64_t i = 1; i <= tokens; ++i) {
    const int64_t keys = before + i;
    sum += static_cast<double>(model.window > 0 ? std::min(keys, model.window) : keys);
  }
  return tokens == 0 ? 0 : sum / static_cast<double>(tokens);
}

/// What a token costs, from the file's directory.
void count_work(const BenchArguments& arguments, const ModelContents& contents, const ModelInfo& m,
                CacheType cache, BenchResult& result) {
  // Prefill needs the logits of its last token only.
  const auto matrices = static_cast<double>(contents.active_weights - m.vocab * m.dim);
  const auto attention = static_cast<double>(4 * m.layers * m.heads * m.head_dim);
  result.prefill_operations = 2 * matrices + attention * mean_keys(m, 0, arguments.prompt);
  const NamedCacheType& type = cache_type_of(cache);
  const auto values = static_cast<double>(2 * m.layers * m.kv_heads * m.head_dim);
  result.cache_type = type.name;
  result.decode_cache_bytes =
      values * type.value_bytes * mean_keys(m, arguments.depth, arguments.generate);
  result.decode_bytes = static_cast<double>(contents.active_bytes) + result.decode_cache_bytes;
}

/// The peak counts from here on, so that the memory that measuring the machine took is left out.
/// Where the system refuses, it stays in.
void restart_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

BenchResult measure(const BenchArguments& arguments, const std::string& device) {
  BenchResult result;
  result.device = device;
  ModelArguments sizes = arguments.model;
  const int64_t needed = std::max(arguments.prompt, arguments.depth + arguments.generate);
  sizes.context = std::max<int64_t>(needed, 1);
  sizes.device = device;
  if (device == "cpu") {  // what is said of a GPU's layers is for the other devices
    sizes.gpu_layers = ModelArguments{}.gpu_layers;
    sizes.experts_on_cpu = false;
  }
  result.before = measure_device(device, sizes.threads);
  restart_peak_memory();
  const int64_t free_before = device_memory(device).free;
  std::optional<Model> opened;
  result.open_seconds = seconds_of([&] { opened = open_model(sizes); });
  const Model& model = *opened;
  result.format = model.info().format;
  result.description = model.info().device;
  SessionOptions options = session_options(sizes);
  options.profile = arguments.stats;
  result.chunk = std::min(options.chunk, sizes.context);
  Session session(model, options);
  struct rusage before {
  }, after{};
  ::getrusage(RUSAGE_SELF, &before);
  run_prefill(arguments, session, result);
  run_decode(arguments, session, result);
  ::getrusage(RUSAGE_SELF, &after);
  result.minor_faults = after.ru_minflt - before.ru_minflt;
  result.major_faults = after.ru_majflt - before.ru_majflt;
  result.peak_bytes = after.ru_maxrss * 1024;
  result.private_bytes = private_memory();
  result.cache_bytes = session.cache_bytes();
  result.device_bytes =
      device == "cpu" ? result.peak_bytes : free_before - device_memory(device).free;
  result.after = measure_device(device, sizes.threads);
  result.machine = faster(result.before, result.after);
  count_work(arguments, inspect(sizes.path), model.info(), session.cache_type(), result);
  return result;
}

int run(const BenchArguments& arguments) {
  // A device that is not there is said before minutes are spent on another.
  for (const std::string& device : arguments.devices) device_memory(device);
  std::vector<BenchResult> results;
  for (const std::string& device : arguments.devices) results.push_back(measure(arguments, device));
  const bool one = results.size() == 1;
  if (!arguments.svg.empty()) {
    AtomicFile file(arguments.svg);
    file.write(bench_svg(arguments, results));
    file.finish();
  }
  if (arguments.json) {
    const auto json = one ? bench_json(arguments, results[0]) : comparison_json(arguments, results);
    write_output(json.dump(2) + "\n");
  } else {
    write_output(one ? bench_text(arguments, results[0]) : comparison_text(arguments, results));
  }
  return kExitDone;
}

}  // namespace

void add_bench_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand(
      "bench", "Measure prefill and decode beside the machine's memory and matrix speed");
  const auto arguments = std::make_shared<BenchArguments>();
  add_model_argument(*command, arguments->model.path);
  const auto count = [&](const char* name, int64_t& value, int64_t least, const char* help) {
    command->add_option(name, value, help)
        ->type_name("N")
        ->check(whole_number(least))
        ->capture_default_str();
  };
  count("-p,--prompt", arguments->prompt, 0, "Tokens of prefill; 0 leaves it out");
  count("-n,--generate", arguments->generate, 0, "Tokens of decode; 0 leaves it out");
  count("-d,--depth", arguments->depth, 0, "Tokens already in the cache when decode starts");
  count("-r,--repetitions", arguments->repetitions, 1, "Repetitions; medians are reported");
  add_threads_option(*command, arguments->model.threads);
  add_window_option(*command, arguments->model.window);
  add_cache_options(*command, arguments->model);
  command
      ->add_option("--device", arguments->devices,
                   "Where to compute, one or several: cpu,cuda compares both in one table")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Validator(
          [](const std::string& name) { return name.empty() ? "a device has no name" : ""; }, ""))
      ->capture_default_str();
  add_offload_options(*command, arguments->model);
  command->add_flag("--json", arguments->json, "All figures as one JSON object");
  command->add_flag("--stats", arguments->stats, "Also what each op took");
  command->add_option("--svg", arguments->svg, "Also a bar chart")->type_name("FILE");
  command->parse_complete_callback([arguments] {
    std::vector<std::string> devices = arguments->devices;
    std::sort(devices.begin(), devices.end());
    if (std::adjacent_find(devices.begin(), devices.end()) != devices.end()) {
      throw CLI::ValidationError("--device: each one once");
    }
    if (arguments->prompt > 0 || arguments->generate > 0) return;
    throw CLI::ValidationError("nothing to measure: -p and -n are both 0");
  });
  command->footer(
      "Decode reads all active weights and the whole cache for every token: GB/s is both, over the "
      "time.\n"
      "The prompt of -d is computed before the clock starts. Example, decode at the end of a long "
      "text:\n"
      "  octavo bench mixtral.8vo -p 0 -n 32 -d 16384 --kv-type f16");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace octavo::cli
