// convert and synth as a user meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

#include "cli/program.h"
#include "convert/checkpoint_tools.h"
#include "octavo/synthesize.hpp"
#include "support/checkpoint.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string mixtral() { return test_data("tiny-mixtral/hf").string(); }

TEST(ConvertCommand, WritesAndSaysWhat) {
  const TempDir folder;
  const Outcome outcome =
      run_program({"convert", mixtral(), "--to", folder.file("out.8vo"), "--type", "q4_0"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");  // no bar: standard error is no terminal
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("bits a weight"), HasSubstr("q4_0")));
  EXPECT_NO_THROW(ModelFile(folder.file("out.8vo")));
}

TEST(ConvertCommand, DryRunWritesNothing) {
  const TempDir folder;
  const Outcome outcome =
      run_program({"convert", mixtral(), "--to", folder.file("out.8vo"), "--dry-run"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("stored as q8_0: q4_k needs a multiple of 256"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("layers.[0-1].experts.[0-7].{w1,w3,w2}"),
                                 HasSubstr("F32     q8_0"), HasSubstr("free")));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ConvertCommand, DryRunAsJson) {
  const TempDir folder;
  const Outcome outcome = run_program({"convert", mixtral(), "--to", folder.file("out.8vo"),
                                       "--type", "q4_0", "--dry-run", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const nlohmann::json plan = nlohmann::json::parse(outcome.out);
  const Outcome written =
      run_program({"convert", mixtral(), "--to", folder.file("out.8vo"), "--type", "q4_0"});
  EXPECT_EQ(plan["bytes"], fs::file_size(folder.file("out.8vo")));
  EXPECT_EQ(plan["tensors"].size(), 65u);
  EXPECT_EQ(plan["tensors"][2]["name"], "layers.0.wq");
  EXPECT_EQ(plan["tensors"][2]["source_type"], "F32");
  EXPECT_EQ(plan["tensors"][2]["format"], "q4_0");
  EXPECT_GT(plan["free_bytes"], 0);
}

// A checkpoint of a few KB but for an embedding of 4.4 TB that is a hole in its file.
void write_vast_checkpoint(const fs::path& folder) {
  ModelConfig config = mixtral_8x7b_config();
  config.dim = 8192;
  config.layers = config.heads = config.kv_heads = config.ffn_dim = config.vocab = 1;
  config.experts = config.experts_per_token = 1;
  config.head_dim = 2;
  config.tied_output = true;
  config.bos = config.eos = -1;
  write_random_checkpoint(folder, config, 1, Format::kBF16);
  std::vector<SafeTensor> tensors = read_safetensors(folder / "model.safetensors");
  SafeTensor& embedding = tensor_named(tensors, "model.embed_tokens.weight");
  std::swap(embedding, tensors.back());
  const int64_t vocab = int64_t{1} << 28;
  nlohmann::json header;
  uint64_t offset = 0;
  std::string data;
  for (SafeTensor& tensor : tensors) {
    const bool is_last = &tensor == &tensors.back();
    if (is_last) tensor.shape[0] = vocab;
    const uint64_t bytes =
        is_last ? static_cast<uint64_t>(vocab * config.dim * 2) : tensor.bytes.size();
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
    if (!is_last) data += tensor.bytes;
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  write_file(folder / "model.safetensors", bytes + text + data);
  fs::resize_file(folder / "model.safetensors", sizeof length + length + offset);
  nlohmann::json json = read_json(folder / "config.json");
  json["vocab_size"] = vocab;
  write_file(folder / "config.json", json.dump());
}

TEST(ConvertCommand, DryRunSaysThatTheDiskIsTooSmall) {
  const TempDir folder;
  const std::string source = folder.file("source"), output = folder.file("out.8vo");
  try {
    write_vast_checkpoint(source);
  } catch (const fs::filesystem_error&) {
    GTEST_SKIP() << "this file system has no files of 4 TB";
  }
  const Outcome outcome =
      run_program({"convert", source, "--to", output, "--type", "f32", "--dry-run"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("8796.1"));  // the plan all the same
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("out.8vo needs 8796.1"), HasSubstr("free")));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
}

// One row of the table is what --type-for takes: here a single expert stands out.
TEST(ConvertCommand, RecipesAndRules) {
  const TempDir folder;
  const std::string path = folder.file("out.8vo");
  const std::vector<std::string> wanted = {"convert",    mixtral(),
                                           "--to",       path,
                                           "--recipe",   "balanced",
                                           "--type-for", "layers.0.experts.[0-3].*=q4_0",
                                           "--type-for", "layers.0.experts.2.w1=f16"};
  const Outcome outcome = run_program(wanted);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("layers.0.experts.2.w1 "), HasSubstr("layers.0.experts.[0-1,3].w1 "),
                    HasSubstr("layers.0.experts.[0-3].{w3,w2} "),
                    HasSubstr("balanced + layers.0.experts.[0-3].*=q4_0 + ")));
  std::vector<std::string> wrong = wanted;
  wrong.back() = "layers.7.wq=f16";
  const Outcome refused = run_program(wrong);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("layers.7.wq=f16"), HasSubstr("no tensor")));
}

TEST(ConvertCommand, FailsWithOneLine) {
  const TempDir folder;
  const CheckpointCopy copy(test_data("tiny-mixtral/hf"));
  copy.edit_tensors("model.safetensors", [](auto& tensors) { tensors.pop_back(); });
  const Outcome outcome =
      run_program({"convert", copy.path().string(), "--to", folder.file("out.8vo")});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(StartsWith("octavo: "), HasSubstr("is missing")));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ConvertCommand, WrongCommandLines) {
  const TempDir folder;
  const std::string out = folder.file("out.8vo");
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"convert"},
           {"convert", mixtral()},
           {"convert", "--to", out},
           {"convert", mixtral(), "--to", out, "--type", "q7_k"},
           {"convert", mixtral(), "--to", out, "-t", "0"},
           {"convert", mixtral(), "--to", out, "--json"},
           {"convert", mixtral(), "--to", out, "--type", "q8_0", "--recipe", "balanced"},
           {"convert", mixtral(), "--to", out, "--resume", "--dry-run"},
           {"convert", mixtral(), "--to", out, "--type-for", "wq"},
           {"synth", out, "--type-for", "wq=q9"},
           {"synth"},
           {"synth", out, "--layers", "0"},
           {"inspect"}}) {
    EXPECT_EQ(run_program(arguments).exit_code, 2);
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

// The limit is inherited by the program: a disk that is full.
TEST(ConvertCommand, FullDisk) {
  const TempDir folder;
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  struct rlimit small = old;
  small.rlim_cur = 65536;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Outcome outcome = run_program({"convert", mixtral(), "--to", folder.file("out.8vo")});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.signal;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("out.8vo"), HasSubstr("too large")));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ConvertCommand, OutputIsNoFile) {
  const Outcome outcome = run_program({"convert", mixtral(), "--to", "/dev/full"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("/dev/full"));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

// Interrupted in the middle of a model that takes a while to make: as if it had not run.
TEST(SynthCommand, InterruptLeavesNothing) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const TempDir folder;
    Program program({"synth", folder.file("big.8vo"), "--layers", "2", "--type", "q4_k"});
    while (fs::is_empty(folder.path())) {  // until it has begun to write
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    program.send(signal);
    const Outcome outcome = program.finish();
    EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("cancelled"));
    EXPECT_TRUE(fs::is_empty(folder.path()));
  }
}

TEST(SynthCommand, TakesTheShapeFromAConfig) {
  const TempDir folder;
  const std::string path = folder.file("out.8vo");
  const Outcome outcome = run_program({"synth", path, "--config",
                                       (test_data("tiny-mixtral/hf") / "config.json").string(),
                                       "--layers", "3", "--type", "bf16", "--seed", "5"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const ModelFile file(path);
  EXPECT_EQ(file.config().layers, 3);
  EXPECT_EQ(file.config().dim, 64);
  EXPECT_EQ(file.directory().requested_format, "bf16");
}

}  // namespace
}  // namespace octavo::test
