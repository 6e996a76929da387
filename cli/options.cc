#include "options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "files.h"
#include "progress.h"

namespace octavo::cli {
namespace {

/// Every type of cache that there is, by name.
constexpr std::array kCacheTypes = {
    NamedCacheType{CacheType::kAuto, "auto", 0},
    NamedCacheType{CacheType::kF32, "f32", 4},
    NamedCacheType{CacheType::kF16, "f16", 2},
    NamedCacheType{CacheType::kBF16, "bf16", 2},
    NamedCacheType{CacheType::kQ8_0, "q8_0", 34.0 / 32},
};

const NamedCacheType* find_cache_type(std::string_view name) {
  const auto* found = std::find_if(kCacheTypes.begin(), kCacheTypes.end(),
                                   [name](const NamedCacheType& t) { return t.name == name; });
  return found == kCacheTypes.end() ? nullptr : found;
}

std::string cache_type_names() {
  std::string names;
  for (const NamedCacheType& type : kCacheTypes) {
    names += (names.empty() ? "" : ", ") + std::string(type.name);
  }
  return names;
}

/// No description, so that help stays readable; an empty answer means valid.
CLI::Validator validator(std::function<std::string(std::string&)> check) {
  return CLI::Validator(std::move(check), "");
}

/// A chunk has buffers of its own; beyond this size nothing gets faster.
constexpr int64_t kLargestChunk = 1 << 16;

}  // namespace

CLI::Validator between(double least, double most) {
  return validator([least, most](std::string& text) -> std::string {
    double value = 0;
    const bool is_number = CLI::detail::lexical_cast(text, value);
    if (is_number && value >= least && value <= most) return {};  // NaN is not
    return fmt::format("{} is no number between {} and {}", text, least, most);
  });
}

CLI::Validator whole_number(int64_t least, int64_t most) {
  return validator([least, most](std::string& text) -> std::string {
    int64_t value = 0;
    const bool is_number = CLI::detail::lexical_cast(text, value);
    if (is_number && value >= least && value <= most) return {};
    return fmt::format("{} is no whole number between {} and {}", text, least, most);
  });
}

void add_model_argument(CLI::App& command, std::string& path) {
  command.add_option("MODEL", path, "The model, an .8vo file")->required()->type_name("");
}

void add_threads_option(CLI::App& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads to compute with (default: all processors)")
      ->type_name("N")
      ->check(whole_number(1, 1024));
}

void add_context_option(CLI::App& command, int64_t& context, int64_t least,
                        const std::string& help) {
  command.add_option("--ctx", context, help)->type_name("N")->check(whole_number(least));
}

void add_window_option(CLI::App& command, std::optional<int64_t>& window,
                       const std::string& fallback) {
  command
      .add_option("--window", window,
                  "Sliding window: keys that a token sees, itself included; 0: all before it "
                  "(default: " +
                      fallback + ")")
      ->type_name("N")
      ->check(whole_number(0));
}

void add_chunk_option(CLI::App& command, int64_t& chunk) {
  command
      .add_option("--chunk", chunk,
                  fmt::format("Tokens of a prompt that are computed at once: more is faster and "
                              "takes more memory (default: {})",
                              SessionOptions{}.chunk))
      ->type_name("N")
      ->check(whole_number(1, kLargestChunk));
}

void add_cache_type_option(CLI::App& command, CacheType& type, const std::string& help) {
  command
      .add_option_function<std::string>(
          "--kv-type", [&type](const std::string& name) { type = find_cache_type(name)->type; },
          fmt::format("{}: {}", help, cache_type_names()))
      ->type_name("T")
      ->check(validator([](std::string& text) -> std::string {
        if (find_cache_type(text) != nullptr) return {};
        return fmt::format("{} is no type of cache ({})", text, cache_type_names());
      }));
}

void add_cache_options(CLI::App& command, ModelArguments& arguments) {
  add_chunk_option(command, arguments.chunk);
  add_cache_type_option(command, arguments.cache,
                        "How keys and values are kept (auto: f16, or f32 for a model in f32)");
}

void add_device_option(CLI::App& command, std::string& device) {
  command.add_option("--device", device, "Where to compute: cpu, cuda")
      ->type_name("NAME")
      ->capture_default_str();
}

void add_offload_options(CLI::App& command, ModelArguments& arguments) {
  command
      .add_option("--gpu-layers", arguments.gpu_layers,
                  "With --device cuda: layers on the GPU, the last ones; the CPU computes the rest "
                  "(default: all)")
      ->type_name("N")
      ->check(whole_number(0));
  command
      .add_option_function<std::string>(
          "--gpu-experts",
          [&arguments](const std::string& where) { arguments.experts_on_cpu = where == "CPU"; },
          "With --device cuda: where the experts of the GPU's layers are, GPU or CPU (default: "
          "GPU)")
      ->type_name("WHERE")
      ->check(CLI::IsMember({"GPU", "CPU"}));
}

void add_text_options(CLI::App& command, TextArguments& arguments, const std::string& unless) {
  CLI::Option* text = command.add_option("-p,--prompt", arguments.text, "The text itself");
  text->type_name("TEXT");
  CLI::Option* file =
      command.add_option("-f,--file", arguments.file, "Read the text from a file, byte for byte");
  file->type_name("FILE")->excludes(text);
  // Runs after parsing: a command line with neither is wrong.
  command.parse_complete_callback([&command, text, file, unless, &arguments] {
    arguments.is_given = !text->empty() || !file->empty();
    const bool is_optional = !unless.empty() && command.count(unless) > 0;
    if (!arguments.is_given && !is_optional) throw CLI::RequiredError("-p TEXT or -f FILE");
    arguments.from_file = !file->empty();
  });
}

ModelOptions model_options(const ModelArguments& arguments) {
  ModelOptions options;
  options.device = arguments.device;
  options.window = arguments.window;
  options.gpu_layers = arguments.gpu_layers;
  options.experts_on_cpu = arguments.experts_on_cpu;
  return options;
}

Model open_model(const ModelArguments& arguments) {
  ModelOptions options = model_options(arguments);
  if (options.device == ModelOptions{}.device) return Model::open(arguments.path, options);
  ProgressBar bar("bringing the weights to " + options.device);
  options.on_load = [&bar](int64_t done, int64_t total) { bar.show(done, total); };
  return Model::open(arguments.path, options);
}

const NamedCacheType& cache_type_of(CacheType type) {
  return *std::find_if(kCacheTypes.begin(), kCacheTypes.end(),
                       [type](const NamedCacheType& t) { return t.type == type; });
}

SessionOptions session_options(const ModelArguments& arguments) {
  SessionOptions options;
  options.context = arguments.context;
  options.threads = arguments.threads;
  if (arguments.chunk > 0) options.chunk = arguments.chunk;
  options.cache = arguments.cache;
  return options;
}

std::string read_text(const TextArguments& arguments) {
  return arguments.from_file ? read_file(arguments.file) : arguments.text;
}

}  // namespace octavo::cli
