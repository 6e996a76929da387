// Header and directory: whatever is changed in them is refused, with a line that says why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "io/small_model.h"

namespace octavo::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(Directory, IntactFileIsRead) {
  const SmallModel model;
  const ModelDirectory directory = parse(model.bytes());
  EXPECT_EQ(directory.config, small_config());
  EXPECT_EQ(directory.requested_format, "q4_0");
  EXPECT_EQ(directory.tensors.size(), tensor_plan(small_config()).size());
  EXPECT_EQ(directory.tensors.front().name, "embedding");
  for (const TensorEntry& entry : directory.tensors) EXPECT_EQ(entry.offset % kPageBytes, 0);
}

// The parser needs the start of the file only.
TEST(Directory, IsReadFromTheStartOfTheFile) {
  const SmallModel model;
  const size_t end = sizeof(ModelHeader) + model.header().directory_bytes;
  const std::string_view start = std::string_view(model.bytes()).substr(0, end);
  EXPECT_NO_THROW(parse_model_directory(std::as_bytes(std::span(start)),
                                        static_cast<int64_t>(model.bytes().size()), "m"));
}

TEST(Directory, EveryChangedByteIsRefused) {
  const SmallModel model;
  const size_t end = sizeof(ModelHeader) + model.header().directory_bytes;
  std::string bytes = model.bytes();
  for (size_t at = 0; at < end; ++at) {
    for (const char mask : {'\x01', '\x80', '\xFF'}) {
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      ASSERT_THROW(parse(bytes), Error) << "byte " << at;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
    }
  }
  EXPECT_NO_THROW(parse(bytes));
}

TEST(Directory, EveryShorterFileIsRefused) {
  const SmallModel model;
  const std::string_view bytes = model.bytes();
  const size_t end = sizeof(ModelHeader) + model.header().directory_bytes;
  for (size_t length = 0; length < bytes.size(); length += length < end ? 1 : 509) {
    ASSERT_THROW(parse(bytes.substr(0, length)), Error) << length << " bytes";
  }
  ASSERT_THROW(parse(bytes.substr(0, bytes.size() - 1)), Error);
  ASSERT_THROW(parse(std::string(bytes) + '\0'), Error);
}

TEST(Directory, AnotherVersionIsNamed) {
  const SmallModel model;
  std::string bytes = model.bytes();
  ModelHeader header = model.header();
  header.version = 2;
  header.header_checksum = XXH3_64bits(&header, offsetof(ModelHeader, header_checksum));
  std::memcpy(bytes.data(), &header, sizeof header);
  const std::string message = error_of([&] { parse(bytes); });
  EXPECT_THAT(message, HasSubstr("model.8vo"));
  EXPECT_THAT(message, HasSubstr("version 2"));
}

TEST(Directory, OtherFilesAreNoModels) {
  EXPECT_THAT(error_of([] { parse("GGUF, or anything else of some length"); }),
              HasSubstr("not an .8vo"));
  EXPECT_THAT(error_of([] { parse(""); }), HasSubstr("not an .8vo"));
}

struct Lie {
  const char* name;
  std::function<void(json&)> tell;
  const char* message;
};

// Directories whose checksums are right and whose contents are not.
std::vector<Lie> lies() {
  const auto tensor = [](const char* key, json value) {
    return [key, value](json& root) { root["tensors"][3][key] = value; };
  };
  const auto config = [](const char* key, json value) {
    return [key, value](json& root) { root["config"][key] = value; };
  };
  return {
      {"OffsetNotOnPage", [](json& root) { root["tensors"][3]["offset"] = 4097; }, "at byte"},
      {"OffsetNegative", tensor("offset", -4096), "at byte"},
      {"OffsetHuge", tensor("offset", INT64_MAX), "at byte"},
      {"OffsetOverflows", tensor("offset", UINT64_MAX), "out of range"},
      {"Overlap", [](json& root) { root["tensors"][3]["offset"] = root["tensors"][2]["offset"]; },
       "at byte"},
      {"BytesTooFew", tensor("bytes", 1), "bytes, expected"},
      {"BytesHuge", tensor("bytes", INT64_MAX), "bytes, expected"},
      {"ShapeOfOther", tensor("shape", {16, 33}), "the config says"},
      {"ShapeNegative", tensor("shape", {-16, 32}), "the config says"},
      {"ShapeOneNumber", tensor("shape", {16}), "two integers"},
      {"ShapeText", tensor("shape", "16x32"), "expected an array"},
      {"FormatUnknown", tensor("format", "q9_9"), "unknown format"},
      {"FormatNotStorable", tensor("format", "q4_k"), "cannot be"},
      {"FormatOfNorm", [](json& root) { root["tensors"][1]["format"] = "f16"; }, "cannot be"},
      {"OrderUnknown", tensor("order", "random"), "unknown order"},
      {"OrderOfOther", tensor("order", "plain"), "cannot be"},
      {"ChecksumShort", tensor("checksum", "12"), "16 hex"},
      {"ChecksumNoHex", tensor("checksum", "000000000000000G"), "16 hex"},
      {"NameOfOther", tensor("name", "layers.0.wv"), "stands where"},
      {"NameMissing", [](json& root) { root["tensors"][3].erase("name"); }, "is missing"},
      {"TensorMissing", [](json& root) { root["tensors"].erase(3); }, "the config says"},
      {"TensorTwice", [](json& root) { root["tensors"].push_back(root["tensors"][3]); },
       "the config says"},
      {"TensorNoObject", [](json& root) { root["tensors"][3] = 5; }, "not a JSON object"},
      {"ConfigMissing", [](json& root) { root.erase("config"); }, "\"config\" is missing"},
      {"ConfigNoObject", [](json& root) { root["config"] = 1; }, "not a JSON object"},
      {"LayersHuge", config("layers", INT64_MAX), "layers"},
      {"LayersMore", config("layers", 2), "the config says"},
      {"ExpertsHuge", config("experts", 65536), "the config says"},
      {"ExpertsNegative", config("experts", -1), "experts"},
      {"VocabZero", config("vocab", 0), "vocab"},
      {"DimText", config("dim", "32"), "\"dim\" is string"},
      {"ThetaNegative", config("rope_theta", -1.0), "rope_theta"},
      {"TokenizerNoBase64", [](json& root) { root["tokenizer"] = "*"; }, "base64"},
      {"NoteNoText", [](json& root) { root["notes"] = {1}; }, "note"},
      {"RootArray", [](json& root) { root = json::array(); }, "not a JSON object"},
  };
}

class LyingDirectory : public ::testing::TestWithParam<Lie> {};
INSTANTIATE_TEST_SUITE_P(Lies, LyingDirectory, ::testing::ValuesIn(lies()),
                         [](const auto& row) { return row.param.name; });

TEST_P(LyingDirectory, IsRefused) {
  const SmallModel model;
  const std::string bytes = model.with_directory(GetParam().tell);
  const std::string message = error_of([&] { parse(bytes); });
  EXPECT_THAT(message, HasSubstr("model.8vo: "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(Directory, DamagedJsonIsRefused) {
  const SmallModel model;
  for (const std::string& text : {std::string("{"), std::string("nonsense"), std::string("\0\0", 2),
                                  std::string(100000, '['), std::string("{\"config\":1e999}")}) {
    EXPECT_THAT(error_of([&] { parse(model.with_directory_text(text)); }), HasSubstr("JSON"));
  }
}

// What the reader does not know and does not need may be there: a later minor addition.
TEST(Directory, UnchangedDirectoryWithNewChecksumsIsRead) {
  const SmallModel model;
  EXPECT_NO_THROW(parse(model.with_directory([](json&) {})));
}

}  // namespace
}  // namespace octavo::test
