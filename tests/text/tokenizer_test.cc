// The tokenizer against goldens that others wrote; tests/data/tokenizer/README.md says who.
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "octavo/error.hpp"
#include "support/files.h"
#include "text/piece_stream.h"
#include "text/sha256.h"

namespace octavo::test {
namespace {

using Ids = std::vector<int32_t>;

std::vector<nlohmann::json> golden_lines(const std::string& name) {
  std::istringstream lines(read_file(test_data("tokenizer/mistral_v1_" + name + ".jsonl")));
  std::vector<nlohmann::json> cases;
  for (std::string line; std::getline(lines, line);) cases.push_back(nlohmann::json::parse(line));
  return cases;
}

std::string model_bytes() { return read_file(test_data("tokenizer/tokenizer.model.v1")); }

class TokenizerTest : public testing::Test {
 protected:
  const std::unique_ptr<const Tokenizer> tokenizer_ = make_tokenizer(model_bytes(), "model.8vo");

  Ids encode(const std::string& text, bool bos) const {
    Ids ids = tokenizer_->encode(text);
    if (bos) ids.insert(ids.begin(), 1);
    return ids;
  }
};

TEST_F(TokenizerTest, HasTheVocabularyOfMixtral) {
  EXPECT_EQ(tokenizer_->size(), 32000);
  EXPECT_EQ(tokenizer_->leading_space(), LeadingSpace::kDropOne);
  EXPECT_EQ(tokenizer_->piece(0).kind, PieceKind::kUnknown);
  EXPECT_EQ(tokenizer_->piece(1).kind, PieceKind::kControl);
  EXPECT_EQ(tokenizer_->piece(1).name, "<s>");
  EXPECT_EQ(tokenizer_->piece(1).text, "");
  EXPECT_EQ(tokenizer_->piece(13).kind, PieceKind::kByte);
  EXPECT_EQ(tokenizer_->piece(13).text, "\n");
  EXPECT_EQ(tokenizer_->piece(3).text, std::string(1, '\0'));
  EXPECT_EQ(tokenizer_->piece(258).text, "\xFF");
  EXPECT_EQ(tokenizer_->piece(22557).name, "▁Hello");
  EXPECT_EQ(tokenizer_->piece(22557).text, " Hello");
}

TEST_F(TokenizerTest, EncodesAsOthersDo) {
  int cases = 0;
  for (const char* name : {"thirdparty", "spm_reference"}) {
    for (const nlohmann::json& golden : golden_lines(name)) {
      EXPECT_EQ(encode(golden["text"], golden["bos"]), golden["ids"].get<Ids>()) << golden;
      ++cases;
    }
  }
  EXPECT_GE(cases, 90);
}

TEST_F(TokenizerTest, DecodesAsSentencePieceDoes) {
  const auto goldens = golden_lines("decode");
  EXPECT_GE(goldens.size(), 90u);
  for (const nlohmann::json& golden : goldens) {
    EXPECT_EQ(decode(*tokenizer_, golden["ids"].get<Ids>()), golden["text"].get<std::string>())
        << golden;
  }
}

TEST_F(TokenizerTest, DecodingUndoesEncoding) {
  for (const char* name : {"thirdparty", "spm_reference"}) {
    for (const nlohmann::json& golden : golden_lines(name)) {
      const std::string text = golden["text"];
      if (text.find("▁") != std::string::npos) continue;  // stands for a space
      EXPECT_EQ(decode(*tokenizer_, tokenizer_->encode(text)), text);
    }
  }
}

TEST_F(TokenizerTest, ConversationsAreTheirSegmentsEncodedOneByOne) {
  const auto goldens = golden_lines("chat");
  EXPECT_GE(goldens.size(), 5u);
  for (const nlohmann::json& golden : goldens) {
    Ids ids;
    for (const std::string segment : golden["segments"]) {
      const Ids part = segment == "<s>"    ? Ids{1}
                       : segment == "</s>" ? Ids{2}
                                           : tokenizer_->encode(segment);
      ids.insert(ids.end(), part.begin(), part.end());
    }
    EXPECT_EQ(ids, golden["ids"].get<Ids>()) << golden["source"];
  }
}

TEST_F(TokenizerTest, ControlTokensInTextStayText) {
  EXPECT_THAT(tokenizer_->encode("<s>hello</s>"), testing::Each(testing::Gt(2)));
}

TEST_F(TokenizerTest, AnyBytesEncode) {
  EXPECT_EQ(decode(*tokenizer_, tokenizer_->encode("a\xFF"
                                                   "b")),
            "a\xEF\xBF\xBD"
            "b");
  const std::string with_zero("a\0b", 3);
  EXPECT_EQ(decode(*tokenizer_, tokenizer_->encode(with_zero)), with_zero);
}

TEST_F(TokenizerTest, ServesSeveralThreads) {
  const auto goldens = golden_lines("spm_reference");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  threads.reserve(wrong.size());
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (const nlohmann::json& golden : goldens) {
        count += encode(golden["text"], false) != golden["ids"].get<Ids>();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

std::string little_endian(const Ids& ids) {
  std::string bytes;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(id >> shift & 0xFF);
  }
  return bytes;
}

TEST(Sha256Test, HashesTheStandardsExamples) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_F(TokenizerTest, TheTokenizerIsTheOfficialOne) {
  EXPECT_EQ(sha256(model_bytes()),
            "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055");
}

TEST_F(TokenizerTest, WholeFilesHaveThePublishedHashes) {
  int cases = 0;
  for (const nlohmann::json& golden : golden_lines("wholefile")) {
    const auto path = shared_data("text/" + golden["file"].get<std::string>());
    if (!std::filesystem::exists(path)) continue;
    const std::string text = read_file(path);
    const Ids ids = tokenizer_->encode(text);
    EXPECT_EQ(ids.size(), golden["n_tokens_no_bos"].get<size_t>()) << golden["file"];
    EXPECT_EQ(sha256(little_endian(ids)), golden["sha256_int32le"].get<std::string>())
        << golden["file"];
    if (golden.value("roundtrip", false)) {
      EXPECT_TRUE(decode(*tokenizer_, ids) == text) << golden["file"];
    }
    ++cases;
  }
  if (cases == 0) GTEST_SKIP() << "the texts are not there: " << shared_data("text");
}

TEST(DamagedTokenizerTest, NoBytesAreNoTokenizer) {
  EXPECT_EQ(make_tokenizer("", "model.8vo"), nullptr);
}

TEST(DamagedTokenizerTest, OneClearErrorAndNothingPrinted) {
  const std::string whole = model_bytes();
  testing::internal::CaptureStderr();
  for (const std::string& bytes :
       {std::string("garbage"), std::string(1000, '\0'), whole.substr(0, whole.size() / 2),
        whole.substr(1), std::string(100, '\xFF')}) {
    try {
      make_tokenizer(bytes, "broken.8vo");
      ADD_FAILURE() << bytes.size() << " bytes were taken for a tokenizer";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_THAT(error.what(), testing::HasSubstr("broken.8vo: the tokenizer is no valid"));
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace octavo::test
