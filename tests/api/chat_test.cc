// Model::encode_chat: which encoding a model's own template chooses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "octavo/octavo.hpp"
#include "support/chat_templates.h"
#include "support/converted.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

const std::vector<ChatMessage> kTalk = {{"user", "Hello"}, {"assistant", "Hi"}, {"user", "Who?"}};

/// pocket-mixtral with this template in its folder; "": none.
class ModelWithTemplate {
 public:
  explicit ModelWithTemplate(const std::string& source) {
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.model"}) {
      std::filesystem::create_symlink(std::filesystem::absolute(pocket_mixtral() / name),
                                      folder_.file(name));
    }
    if (!source.empty()) {
      write_file(folder_.file("tokenizer_config.json"),
                 nlohmann::json{{"chat_template", source}}.dump());
    }
  }
  Model open() const {
    if (!converted_) converted_.emplace(folder_.path(), Format::kQ4_0);
    return Model::open(converted_->path());
  }

 private:
  TempDir folder_;
  mutable std::optional<Converted> converted_;
};

TEST(EncodeChatTest, AModelWithoutATemplateIsEncodedOfficially) {
  const Model model = ModelWithTemplate("").open();
  EXPECT_EQ(model.encode_chat(kTalk), model.encode_chat(kTalk, {.chat_template = "mistral-v1"}));
}

TEST(EncodeChatTest, ATemplateOfVersion1IsEncodedOfficially) {
  for (const char* name : {"mixtral-8x7b-instruct-old", "mixtral-8x7b-instruct"}) {
    const std::string source = chat_template(name);
    const Model model = ModelWithTemplate(source).open();
    ASSERT_EQ(model.chat_template(), source);
    EXPECT_EQ(model.encode_chat(kTalk), model.encode_chat(kTalk, {.chat_template = "mistral-v1"}));
    // The first template has no system message, the official encoding has.
    std::vector<ChatMessage> with_system = kTalk;
    with_system.insert(with_system.begin(), {"system", "Be kind."});
    EXPECT_NO_THROW(model.encode_chat(with_system));
  }
}

TEST(EncodeChatTest, AnotherTemplateIsRendered) {
  const std::string source = chat_template("zephyr-7b-beta");
  const Model model = ModelWithTemplate(source).open();
  EXPECT_EQ(model.encode_chat(kTalk), model.encode_chat(kTalk, {.chat_template = source}));
  EXPECT_NE(model.encode_chat(kTalk), model.encode_chat(kTalk, {.chat_template = "mistral-v1"}));
  EXPECT_EQ(model.detokenize(model.encode_chat(std::vector<ChatMessage>{{"user", "Hello"}})),
            "<|user|>\nHello \n<|assistant|>\n");
}

TEST(EncodeChatTest, AnUnknownTemplateSaysWhatToDo) {
  const Model model = ModelWithTemplate("{% filter upper %}{% endfilter %}").open();
  try {
    model.encode_chat(kTalk);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("the statement 'filter' in line 1"));
    EXPECT_THAT(error.what(), HasSubstr("--template mistral-v1"));
  }
  EXPECT_NO_THROW(model.encode_chat(kTalk, {.chat_template = "mistral-v1"}));
}

TEST(EncodeChatTest, WrongCallsAreRefused) {
  const Model model = ModelWithTemplate("").open();
  const auto code_of = [&model](const std::vector<ChatMessage>& messages,
                                const ChatOptions& options) {
    try {
      model.encode_chat(messages, options);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kIo;
  };
  EXPECT_EQ(code_of({}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({{"user", "a"}, {"user", "b"}}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({{"tool", "a"}}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(kTalk, {.continue_final = true}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(kTalk, {.chat_template = ""}), ErrorCode::kInvalidArgument);
  const Model bare = Model::open(Converted(test_data("tiny-mixtral/hf"), Format::kF32).path());
  EXPECT_THROW(bare.encode_chat(kTalk), Error);
}

}  // namespace
}  // namespace octavo::test
