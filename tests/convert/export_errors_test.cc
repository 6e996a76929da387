// Exports that fail leave one line and nothing else; the program's command.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "cli/program.h"
#include "convert/gguf_reader.h"
#include "io/base64.h"
#include "io/small_model.h"
#include "octavo/convert.hpp"
#include "support/piece_bytes.h"

namespace octavo::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A SentencePiece model of `count` pieces.
std::string tokenizer_of(int count) {
  std::string bytes;
  for (int id = 0; id < count; ++id) {
    bytes += piece_field(id == 0 ? "<unk>" : fmt::format("p{}", id),
                         float_field(2, 1).append(number_field(3, id == 0 ? 2 : 1)));
  }
  return bytes;
}

class ExportFailure : public ::testing::Test {
 protected:
  ExportFailure() { fs::create_directory(folder.path() / "out"); }

  /// The message of the Error; there may be no file then.
  std::string error(const std::string& model, std::function<bool(int64_t, int64_t)> progress = {}) {
    ExportOptions options;
    options.model = model;
    options.output = output;
    options.threads = 2;
    options.progress = std::move(progress);
    const std::string message = error_of([&] { export_gguf(options); });
    EXPECT_TRUE(message.empty() || fs::is_empty(folder.path() / "out"));
    EXPECT_EQ(message.find('\n'), message.npos);
    return message;
  }
  std::string changed(const std::function<void(nlohmann::json&)>& change) {
    write_file(folder.file("changed.8vo"), small.with_directory(change));
    return folder.file("changed.8vo");
  }

  const TempDir folder;
  const std::string output = (folder.path() / "out" / "out.gguf").string();
  const SmallModel small;
};

TEST_F(ExportFailure, NoModel) {
  EXPECT_THAT(error(folder.file("none.8vo")), HasSubstr("none.8vo"));
  write_file(folder.file("text.8vo"), "no model");
  EXPECT_THAT(error(folder.file("text.8vo")), HasSubstr("text.8vo"));
}

TEST_F(ExportFailure, Cancelled) {
  int calls = 0;
  EXPECT_THAT(error(small.path(),
                    [&](int64_t done, int64_t all) {
                      EXPECT_LE(done, all);
                      return ++calls < 5;
                    }),
              AllOf(HasSubstr("cancelled"), HasSubstr("out.gguf")));
  EXPECT_EQ(calls, 5);
}

TEST_F(ExportFailure, ProgressEndsWithAll) {
  int64_t last = 0, total = 1;
  EXPECT_EQ(error(small.path(),
                  [&](int64_t done, int64_t all) {
                    EXPECT_GT(done, last);
                    last = done, total = all;
                    return true;
                  }),
            "");
  EXPECT_EQ(last, total);
}

TEST_F(ExportFailure, DamagedTensor) {
  std::string bytes = small.bytes();
  const TensorEntry entry = parse(bytes).tensors.back();
  char& byte = bytes[static_cast<size_t>(entry.offset + entry.bytes - 1)];
  byte = static_cast<char>(byte ^ 1);
  write_file(folder.file("damaged.8vo"), bytes);
  EXPECT_THAT(error(folder.file("damaged.8vo")),
              AllOf(HasSubstr("damaged.8vo"), HasSubstr(entry.name), HasSubstr("damaged")));
}

TEST_F(ExportFailure, OntoItself) {
  const std::string before = read_file(small.path());
  ExportOptions options;
  options.model = options.output = small.path();
  EXPECT_THAT(error_of([&] { export_gguf(options); }), HasSubstr("is the model itself"));
  EXPECT_EQ(read_file(small.path()), before);
}

TEST_F(ExportFailure, NumbersThatGgufCannotSay) {
  const std::string path =
      changed([](auto& json) { json["config"]["context"] = int64_t{1} << 33; });
  EXPECT_THAT(error(path), AllOf(HasSubstr("changed.8vo"), HasSubstr("context_length")));
}

// The small model has 40 ids.
TEST_F(ExportFailure, TokenizerLargerThanTheVocabulary) {
  const std::string path =
      changed([](auto& json) { json["tokenizer"] = base64_encode(tokenizer_of(41)); });
  EXPECT_THAT(error(path), AllOf(HasSubstr("41 pieces"), HasSubstr("40 ids")));
}

TEST_F(ExportFailure, TokenizerThatIsNone) {
  const std::string path =
      changed([](auto& json) { json["tokenizer"] = base64_encode("no tokenizer"); });
  EXPECT_THAT(error(path), HasSubstr("no valid SentencePiece model"));
}

// ... but one that is smaller is filled up.
TEST_F(ExportFailure, TokenizerSmallerThanTheVocabulary) {
  const std::string path = changed([](auto& json) {
    json["tokenizer"] = base64_encode(tokenizer_of(38));
    json["config"]["bos"] = -1;
    json["chat_template"] = "{{ messages }}";
  });
  EXPECT_EQ(error(path), "");
  const ReadGguf gguf(read_file(output));
  const auto& metadata = gguf.metadata;
  const nlohmann::json& tokens = metadata.at("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 40u);
  EXPECT_EQ(tokens[37], "p37");
  EXPECT_EQ(tokens[38], "[PAD38]");
  EXPECT_EQ(metadata.at("tokenizer.ggml.token_type")[0], 2);
  EXPECT_EQ(metadata.at("tokenizer.ggml.token_type")[37], 1);
  EXPECT_EQ(metadata.at("tokenizer.ggml.token_type")[39], 5);
  EXPECT_EQ(metadata.at("tokenizer.ggml.scores")[37], 1);
  EXPECT_EQ(metadata.count("tokenizer.ggml.bos_token_id"), 0u);
  EXPECT_EQ(metadata.at("tokenizer.ggml.add_bos_token"), false);
  EXPECT_EQ(metadata.at("tokenizer.chat_template"), "{{ messages }}");
}

TEST_F(ExportFailure, NoTokenizer) {
  EXPECT_EQ(error(small.path()), "");
  const ReadGguf gguf(read_file(output));
  EXPECT_EQ(gguf.metadata.at("tokenizer.ggml.model"), "none");
  EXPECT_EQ(gguf.metadata.at("llama.vocab_size"), 40);
  EXPECT_EQ(gguf.metadata.count("tokenizer.ggml.tokens"), 0u);
}

class ExportCommand : public ExportFailure {};

TEST_F(ExportCommand, WritesAndSaysWhat) {
  const SmallModel padded(Format::kQ8_0);
  const Outcome outcome = run_program({"export", padded.path(), "--to", output});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("architecture llama"), HasSubstr("q8_0     "),
                    HasSubstr("note     1 tensor of 48 columns stored as f32: q8_0 in GGUF needs a "
                              "multiple of 32")));
  EXPECT_EQ(ReadGguf(read_file(output)).tensors.size(), 13u);
}

TEST_F(ExportCommand, FailsWithOneLine) {
  const Outcome outcome = run_program({"export", folder.file("none.8vo"), "--to", output});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(StartsWith("octavo: "), HasSubstr("none.8vo")));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
}

TEST_F(ExportCommand, WrongCommandLines) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"export"},
                                             {"export", small.path()},
                                             {"export", "--to", output},
                                             {"export", small.path(), "--to", output, "-t", "0"}}) {
    EXPECT_EQ(run_program(arguments).exit_code, 2);
  }
  EXPECT_TRUE(fs::is_empty(folder.path() / "out"));
}

// The limit is inherited by the program: a disk that is full.
TEST_F(ExportCommand, FullDisk) {
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  struct rlimit little = old;
  little.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  const Outcome outcome = run_program({"export", small.path(), "--to", output});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.signal;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("out.gguf"), HasSubstr("too large")));
  EXPECT_TRUE(fs::is_empty(folder.path() / "out"));
}

}  // namespace
}  // namespace octavo::test
