// consumer MODEL: the version, then a few words, in C++. An octavo::Error crosses from the library.
// Before that, silently: the model out as GGUF, in again, and what both hold.
#include <octavo/octavo.h>

#include <iostream>
#include <octavo/calibrate.hpp>
#include <octavo/convert.hpp>
#include <octavo/inspect.hpp>
#include <octavo/machine.hpp>
#include <octavo/octavo.hpp>
#include <octavo/synthesize.hpp>
#include <vector>

namespace {

/// Whether the library says of a missing file that it cannot be opened.
bool reports_errors() {
  try {
    octavo::Model::open("/nowhere.8vo");
    return false;
  } catch (const octavo::Error& error) {
    return error.code() == octavo::ErrorCode::kIo;
  }
}

/// A conversion that its own progress ends.
bool can_be_cancelled(octavo::ConvertOptions options) {
  options.progress = [](int64_t, int64_t) { return false; };
  try {
    octavo::convert(options);
    return false;
  } catch (const octavo::Error& error) {
    return error.code() == octavo::ErrorCode::kCancelled;
  }
}

/// The model as GGUF beside it, and a model of that in q8_0.
bool converts(const std::string& model) {
  const octavo::ModelContents before = octavo::inspect(model);
  const std::string gguf = model + ".gguf";
  if (octavo::export_gguf({.model = model, .output = gguf, .threads = 1}).tensors == 0)
    return false;
  int64_t calls = 0;
  octavo::ConvertOptions options;
  options.source = gguf;
  options.output = model + ".again.8vo";
  options.type = "q8_0";
  options.type_for = {octavo::parse_type_rule("output=bf16")};
  options.threads = 1;
  if (!can_be_cancelled(options)) return false;
  options.progress = [&calls](int64_t done, int64_t total) {
    ++calls;
    return done <= total;
  };
  options.resume = true;
  const octavo::ConvertSummary plan = octavo::plan_conversion(options);
  const octavo::ConvertSummary summary = octavo::convert(options);
  const octavo::ModelContents after = octavo::inspect(options.output);
  return calls > 0 && after.config.experts == before.config.experts &&
         after.weights == before.weights && after.bits_per_weight() < before.bits_per_weight() &&
         after.file_bytes == plan.contents.file_bytes && plan.free_bytes > 0 &&
         after.tensors.back().checksum == summary.contents.tensors.back().checksum &&
         octavo::verify(options.output, {.threads = 1}).empty();
}

bool calibrates(const octavo::Model& model, const std::string& path) {
  octavo::Calibrator calibrator(model, {.context = 16, .min_tokens = 4, .threads = 1});
  calibrator.add(model.tokenize("Once upon a time there was a little girl who lived in a wood."));
  calibrator.observe();
  calibrator.force();
  calibrator.save(path);
  return calibrator.tokens() > 0 &&
         static_cast<int64_t>(calibrator.expert_tokens().size()) == model.info().layers;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::cout << octavo_version() << '\n';
  if (!reports_errors()) return 3;
  if (!converts(argv[1])) return 4;
  const auto model = octavo::Model::open(argv[1]);
  if (!calibrates(model, argv[1] + std::string(".8cal"))) return 5;
  if (octavo::instruction_set().empty() || octavo::mixtral_8x7b_config().experts != 8) return 6;
  octavo::Session session(model, {.threads = 1});
  octavo::generate(session, model.tokenize("Once upon a time"), {.max_tokens = 8},
                   {.temperature = 0}, [](const octavo::Token& token) {
                     std::cout << token.text;
                     return true;
                   });
  std::cout << '\n';
}
