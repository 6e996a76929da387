// octavo bench: prefill and decode speed, beside what the machine was just measured to do.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "backend/cpu/machine.h"
#include "commands.h"
#include "files.h"
#include "io/model_file.h"
#include "model_summary.h"
#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {
namespace {

struct BenchArguments {
  ModelArguments model;
  std::string device = "cpu";
  int64_t prompt = 512, generate = 128, depth = 0, repetitions = 3;
  bool json = false;
};

struct BenchResult {
  MachineSpeed machine;
  std::vector<double> prefill, decode;  ///< tokens a second, one a repetition
  double prefill_operations = 0;        ///< a token: multiplications and additions
  double decode_bytes = 0;              ///< a token: weights and the cache at the mean depth
  int64_t cache_bytes = 0, minor_faults = 0, major_faults = 0, private_bytes = 0, peak_bytes = 0;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

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

void run_prefill(const BenchArguments& arguments, Session& session, BenchResult& result) {
  const auto ids = random_ids(arguments.prompt, session.model().info().vocab);
  for (int64_t i = 0; i < arguments.repetitions && !ids.empty(); ++i) {
    session.reset();
    result.prefill.push_back(static_cast<double>(arguments.prompt) /
                             seconds_of([&] { session.feed(ids); }));
  }
}

void run_decode(const BenchArguments& arguments, Session& session, BenchResult& result) {
  const auto ids = random_ids(arguments.depth + arguments.generate, session.model().info().vocab);
  const auto behind = std::span(ids).first(static_cast<size_t>(arguments.depth));
  for (int64_t i = 0; i < arguments.repetitions && arguments.generate > 0; ++i) {
    session.reset();
    if (!behind.empty()) session.feed(behind);
    result.decode.push_back(static_cast<double>(arguments.generate) / seconds_of([&] {
                              for (const int32_t id : std::span(ids).subspan(behind.size()))
                                session.feed({&id, 1});
                            }));
  }
}

/// What a token costs, from the file's directory.
void count_work(const BenchArguments& arguments, const ModelFile& file, BenchResult& result) {
  const ModelConfig& c = file.config();
  const ModelTotals totals = total(file.directory());
  const auto mean_keys = [&](int64_t before, int64_t tokens) {
    const double keys = static_cast<double>(before) + static_cast<double>(tokens + 1) / 2;
    return c.window > 0 ? std::min(keys, static_cast<double>(c.window)) : keys;
  };
  // Prefill needs the logits of its last token only.
  const auto matrices = static_cast<double>(totals.active_weights - c.vocab * c.dim);
  const auto attention = static_cast<double>(4 * c.layers * c.heads * c.head_dim);
  result.prefill_operations = 2 * matrices + attention * mean_keys(0, arguments.prompt);
  const double value_bytes = file.directory().requested_format == "f32" ? 4 : 2;
  const auto cache = static_cast<double>(2 * c.layers * c.kv_heads * c.head_dim) * value_bytes;
  result.decode_bytes = static_cast<double>(totals.active_bytes) +
                        cache * mean_keys(arguments.depth, arguments.generate);
}

BenchResult measure(const BenchArguments& arguments) {
  BenchResult result;
  ModelArguments sizes = arguments.model;
  const int64_t needed = std::max(arguments.prompt, arguments.depth + arguments.generate);
  sizes.context = std::max<int64_t>(needed, 1);
  const Model model = Model::open(sizes.path, {.device = arguments.device});
  result.machine = measure_machine(sizes.threads);
  Session session(model, session_options(sizes));
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
  count_work(arguments, ModelFile(sizes.path), result);
  return result;
}

/// Whether most of the matrix work goes through int8 dots.
bool works_in_int8(const std::string& format) { return format.starts_with("q"); }

nlohmann::json to_json(const BenchArguments& arguments, const std::string& format,
                       const BenchResult& r) {
  const double prefill = median(r.prefill), decode = median(r.decode);
  const double peak = works_in_int8(format) ? r.machine.int8_gop_s : r.machine.float_gflop_s;
  return {{"model", arguments.model.path},
          {"device", arguments.device},
          {"format", format},
          {"isa", r.machine.isa},
          {"threads", r.machine.threads},
          {"stream_gb_s", r.machine.stream_gb_s},
          {"float_gflop_s", r.machine.float_gflop_s},
          {"int8_gop_s", r.machine.int8_gop_s},
          {"prompt_tokens", arguments.prompt},
          {"generated_tokens", arguments.generate},
          {"depth", arguments.depth},
          {"prefill_tok_s", prefill},
          {"prefill_tok_s_all", r.prefill},
          {"prefill_gop_s", prefill * r.prefill_operations * 1e-9},
          {"prefill_share_of_peak", prefill * r.prefill_operations * 1e-9 / peak},
          {"decode_tok_s", decode},
          {"decode_tok_s_all", r.decode},
          {"bytes_per_token", r.decode_bytes},
          {"decode_gb_s", decode * r.decode_bytes * 1e-9},
          {"decode_share_of_stream", decode * r.decode_bytes * 1e-9 / r.machine.stream_gb_s},
          {"cache_bytes", r.cache_bytes},
          {"private_bytes", r.private_bytes},
          {"peak_rss_bytes", r.peak_bytes},
          {"minor_page_faults", r.minor_faults},
          {"major_page_faults", r.major_faults}};
}

std::string to_text(const BenchArguments& arguments, const std::string& format,
                    const BenchResult& r) {
  const double prefill = median(r.prefill), decode = median(r.decode);
  const double prefill_rate = prefill * r.prefill_operations * 1e-9;
  const double decode_rate = decode * r.decode_bytes * 1e-9;
  const bool int8 = works_in_int8(format);
  const double peak = int8 ? r.machine.int8_gop_s : r.machine.float_gflop_s;
  std::string text = fmt::format(
      "machine  {}, {} threads: reads {:.1f} GB/s, f32 {:.0f} GFLOP/s, int8 {:.0f} GOP/s\n",
      r.machine.isa, r.machine.threads, r.machine.stream_gb_s, r.machine.float_gflop_s,
      r.machine.int8_gop_s);
  if (prefill > 0) {
    text += fmt::format("prefill  {} tokens: {:.2f} tok/s, {:.0f} GOP/s, {:.0f} % of the {} peak\n",
                        arguments.prompt, prefill, prefill_rate, 100 * prefill_rate / peak,
                        int8 ? "int8" : "f32");
  }
  if (decode > 0) {
    text += fmt::format(
        "decode   {} tokens behind {}: {:.2f} tok/s, {:.3f} GB a token, {:.1f} GB/s, {:.0f} % of "
        "the reading speed\n",
        arguments.generate, arguments.depth, decode, r.decode_bytes * 1e-9, decode_rate,
        100 * decode_rate / r.machine.stream_gb_s);
  }
  text += fmt::format(
      "memory   {} MiB private (cache {} MiB), {} MiB peak with the mapped model; page faults: {} "
      "minor, {} major\n",
      r.private_bytes >> 20, r.cache_bytes >> 20, r.peak_bytes >> 20, r.minor_faults,
      r.major_faults);
  return text;
}

int run(const BenchArguments& arguments) {
  const BenchResult result = measure(arguments);
  const std::string format = Model::open(arguments.model.path).info().format;
  write_output(arguments.json ? to_json(arguments, format, result).dump(2) + "\n"
                              : to_text(arguments, format, result));
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
  command->add_option("--device", arguments->device, "Where to compute: cpu")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "All figures as one JSON object");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace octavo::cli
