// Options that several commands share, so that they are spelled and checked alike.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "octavo/octavo.hpp"

namespace octavo::cli {

/// MODEL, --device and what goes with it, -t, --ctx, --window, --chunk and --kv-type.
struct ModelArguments {
  std::string path;
  std::string device = ModelOptions{}.device;
  int64_t gpu_layers = ModelOptions{}.gpu_layers;
  bool experts_on_cpu = false;
  std::optional<int64_t> window;  ///< none: the model's own
  int threads = 0;                ///< 0: all processors
  int64_t context = 0;            ///< 0: the model's own
  int64_t chunk = 0;              ///< 0: the library's choice
  CacheType cache = CacheType::kAuto;
};

/// -p TEXT or -f FILE.
struct TextArguments {
  std::string text;
  std::string file;
  bool from_file = false;
  bool is_given = false;  ///< one of the two
};

/// Checks of a number, with messages in words.
CLI::Validator between(double least, double most);
CLI::Validator whole_number(int64_t least, int64_t most = std::numeric_limits<int32_t>::max());

/// The positional MODEL.
void add_model_argument(CLI::App& command, std::string& path);
/// -t, --threads: at least 1.
void add_threads_option(CLI::App& command, int& threads);
/// --ctx: at least `least` tokens.
void add_context_option(CLI::App& command, int64_t& context, int64_t least,
                        const std::string& help);
/// --window: keys that a token sees; `fallback` says which without the option.
void add_window_option(CLI::App& command, std::optional<int64_t>& window,
                       const std::string& fallback = "the model's own");
/// --chunk: tokens that prefill computes at once.
void add_chunk_option(CLI::App& command, int64_t& chunk);
/// --kv-type, by the names of the list below.
void add_cache_type_option(CLI::App& command, CacheType& type, const std::string& help);
/// --device NAME.
void add_device_option(CLI::App& command, std::string& device);
/// --gpu-layers and --gpu-experts, for devices that are GPUs.
void add_offload_options(CLI::App& command, ModelArguments& arguments);
/// --chunk and --kv-type, as most commands take them.
void add_cache_options(CLI::App& command, ModelArguments& arguments);
/// -p and -f, of which exactly one must be given, or none with the option `unless`.
void add_text_options(CLI::App& command, TextArguments& arguments, const std::string& unless = "");

ModelOptions model_options(const ModelArguments& arguments);
/// Opens it; a bar shows how far the weights are on their way to a GPU.
Model open_model(const ModelArguments& arguments);

/// A type of cached keys and values as the command line and reports call it.
struct NamedCacheType {
  CacheType type;
  std::string_view name;
  double value_bytes;  ///< of one number, its share of a scale included; 0 for kAuto
};

const NamedCacheType& cache_type_of(CacheType type);

SessionOptions session_options(const ModelArguments& arguments);

/// The text itself; a file comes byte for byte. Throws Error(kIo).
std::string read_text(const TextArguments& arguments);

}  // namespace octavo::cli
