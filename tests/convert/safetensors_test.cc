// Headers of safetensors files that are cut short, or lie.
#include "convert/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "convert/checkpoint_tools.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

std::string file_with(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\x01');
}

std::string error_of_file(const std::string& bytes) {
  try {
    parse_safetensors_header(std::as_bytes(std::span(bytes)), static_cast<int64_t>(bytes.size()),
                             "model.safetensors");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string tensor(const char* name, const char* dtype, const char* shape, const char* offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                     offsets);
}

TEST(Safetensors, GoodHeader) {
  const std::string bytes = file_with(
      "{\"__metadata__\":{\"format\":\"pt\"}," + tensor("b", "BF16", "[2,3]", "[8,20]") + "," +
          tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("scalar", "F32", "[]", "[20,24]") +
          "," + tensor("empty", "F32", "[0,5]", "[24,24]") + "}   ",
      24);
  const SafeTensors tensors = parse_safetensors_header(std::as_bytes(std::span(bytes)),
                                                       static_cast<int64_t>(bytes.size()), "x");
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors.at("b").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tensors.at("b").bytes, 12);
  EXPECT_EQ(tensors.at("b").offset, static_cast<int64_t>(bytes.size()) - 16);
  EXPECT_EQ(tensors.at("a").dtype, "F32");
}

struct BadHeader {
  const char* name;
  std::string bytes;
  const char* message;
};

std::vector<BadHeader> bad_headers() {
  const auto one = [](const char* dtype, const char* shape, const char* offsets,
                      size_t data_bytes = 8) {
    return file_with(fmt::format("{{{}}}", tensor("a", dtype, shape, offsets)), data_bytes);
  };
  std::string long_length = one("F32", "[2]", "[0,8]");
  long_length[5] = '\x7F';
  std::string longest = one("F32", "[2]", "[0,8]");
  std::memset(longest.data(), 0xFF, 8);
  const std::string deep = fmt::format("{{\"a\":{}}}", std::string(200000, '['));
  return {
      {"Empty", "", "no safetensors"},
      {"SevenBytes", std::string(7, '\0'), "no safetensors"},
      {"NoHeader", std::string(8, '\0'), "no safetensors header"},
      {"LengthPastTheEnd", long_length, "cut short"},
      {"LengthOverflows", longest, "cut short"},
      {"NotJson", file_with("{\"a\"", 8), "damaged JSON"},
      {"NotAnObject", file_with("[1,2]", 8), "no safetensors header"},
      {"Binary", file_with(std::string("{\0\xFF\xFE}", 5), 8), "damaged JSON"},
      {"Deep", file_with(deep, 8), "damaged JSON"},
      {"EntryNoObject", file_with("{\"a\":5}", 8), "not a JSON object"},
      {"NoDtype", file_with(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8), "dtype"},
      {"NoOffsets", file_with(R"({"a":{"dtype":"F32","shape":[2]}})", 8), "data_offsets"},
      {"OneOffset", one("F32", "[2]", "[8]"), "no pair"},
      {"OffsetsReversed", one("F32", "[2]", "[8,0]"), "cut short or damaged"},
      {"OffsetNegative", one("F32", "[2]", "[-8,0]"), "natural"},
      {"OffsetPastTheEnd", one("F32", "[4]", "[0,16]"), "cut short or damaged"},
      {"OffsetHuge", one("F32", "[2]", "[0,18446744073709551615]"), "natural"},
      {"OffsetFraction", one("F32", "[2]", "[0,8.0]"), "natural"},
      {"ShapeTooLarge", one("F32", "[4]", "[0,8]"), "do not fit"},
      {"ShapeTooSmall", one("F32", "[1]", "[0,8]"), "do not fit"},
      {"ShapeNegative", one("F32", "[-2]", "[0,8]"), "natural"},
      {"ShapeOverflows", one("F32", "[4611686018427387904,4]", "[0,8]"), "too large"},
      {"ShapeOverflowsToFit", one("F32", "[2305843009213693954,4,2]", "[0,8]"), "too large"},
      {"ShapeDeep", one("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "dimensions"},
      {"ShapeText", one("F32", "\"2\"", "[0,8]"), "array"},
      {"DtypeLies", one("F64", "[2]", "[0,8]"), "do not fit"},
      {"Gap", one("F32", "[1]", "[4,8]"), "bytes of no tensor"},
      {"BytesLeftOver", one("F32", "[1]", "[0,4]"), "after the last tensor"},
      {"Overlap",
       file_with(fmt::format("{{{},{}}}", tensor("a", "F32", "[2]", "[0,8]"),
                             tensor("b", "F32", "[1]", "[4,8]")),
                 8),
       "overlaps"},
      {"SameName",
       file_with(fmt::format("{{{},{}}}", tensor("a", "F32", "[1]", "[0,4]"),
                             tensor("a", "F32", "[1]", "[4,8]")),
                 8),
       "listed twice"},
      {"NameOfManyLines", file_with(R"({"a\nb":5})", 8), "a?b"},
  };
}

class BadHeaders : public ::testing::TestWithParam<BadHeader> {};
INSTANTIATE_TEST_SUITE_P(Headers, BadHeaders, ::testing::ValuesIn(bad_headers()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BadHeaders, AreRefused) {
  const std::string message = error_of_file(GetParam().bytes);
  EXPECT_THAT(message, HasSubstr("model.safetensors: "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(Safetensors, EveryShorterFileIsRefused) {
  const std::string bytes = read_file(test_data("tiny-mistral-swa/hf") / "model.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (size_t length = 0; length < bytes.size(); length += length < header + 8 ? 7 : 4099) {
    ASSERT_NE(error_of_file(bytes.substr(0, length)), "") << length;
  }
  EXPECT_EQ(error_of_file(bytes), "");
}

// A header of which any one byte is another either reads the same tensors' bytes or is refused;
// it never makes a tensor reach past the file.
TEST(Safetensors, ChangedBytesStayInsideTheFile) {
  std::string bytes = read_file(test_data("tiny-mistral-swa/hf") / "model.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto size = static_cast<int64_t>(bytes.size());
  for (size_t at = 0; at < header + 8; ++at) {
    const char old = bytes[at];
    bytes[at] = static_cast<char>(old ^ (at % 2 == 0 ? 0x01 : 0x10));
    try {
      for (const auto& [name, entry] :
           parse_safetensors_header(std::as_bytes(std::span(bytes)), size, "x")) {
        ASSERT_LE(entry.offset + entry.bytes, size) << "byte " << at;
      }
    } catch (const Error&) {
    }
    bytes[at] = old;
  }
}

}  // namespace
}  // namespace octavo::test
