// Headers of GGUF files: what is read of good ones, and that bad ones are refused at once.
#include "convert/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "convert/gguf_metadata.h"
#include "octavo/error.hpp"
#include "support/gguf.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufHeader parse(const std::string& bytes) {
  return parse_gguf_header(std::as_bytes(std::span(bytes)), static_cast<int64_t>(bytes.size()),
                           "model.gguf");
}

std::string error_of(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

template <class T>
std::string encoded(T value) {
  return GgufBuilder::encoded(value);
}

GgufBuilder small() {
  GgufBuilder builder;
  builder.text("general.name", "small");
  builder.tensors = {{"a", "F32", {2, 3}, std::string(24, 'a')},
                     {"b", "Q8_0", {2, 2, 32}, std::string(4 * 34, 'b')}};
  return builder;
}

TEST(GgufHeader, Tensors) {
  for (const uint32_t version : {2, 3}) {
    GgufBuilder builder = small();
    builder.version = version;
    const std::string bytes = builder.bytes();
    const GgufHeader header = parse(bytes);
    ASSERT_EQ(header.tensors.size(), 2u);
    const GgufTensor &a = header.tensors.at("a"), &b = header.tensors.at("b");
    EXPECT_EQ(a.type, "F32");
    EXPECT_THAT(a.shape, ElementsAre(2, 3));
    EXPECT_EQ(bytes.substr(static_cast<size_t>(a.offset), 24), std::string(24, 'a'));
    EXPECT_EQ(b.type, "Q8_0");
    EXPECT_THAT(b.shape, ElementsAre(2, 2, 32));
    EXPECT_EQ(b.bytes, 4 * 34);
    EXPECT_EQ(bytes.substr(static_cast<size_t>(b.offset), 4 * 34), std::string(4 * 34, 'b'));
  }
}

TEST(GgufHeader, EveryTypeOfMetadata) {
  GgufBuilder builder;
  builder.put("u8", 0, encoded(uint8_t{200}));
  builder.put("i8", 1, encoded(int8_t{-100}));
  builder.put("u16", 2, encoded(uint16_t{60000}));
  builder.put("i16", 3, encoded(int16_t{-30000}));
  builder.put("u32", 4, encoded(uint32_t{4000000000}));
  builder.put("i32", 5, encoded(int32_t{-2000000000}));
  builder.f32("f32", 1.5f);
  builder.boolean("bool", true);
  builder.text("text", std::string("with\0zero", 9));
  builder.put("u64", 10, encoded(uint64_t{1} << 62));
  builder.put("huge", 10, encoded(~uint64_t{0}));
  builder.put("i64", 11, encoded(-(int64_t{1} << 62)));
  builder.put("f64", 12, encoded(0.1));
  builder.texts("texts", {"one", "", "three"});
  builder.integers("integers", {3, -1});
  builder.numbers("numbers", {0.5f, -2});
  builder.texts("none", {});
  const std::string bytes = builder.bytes();
  const GgufHeader header = parse(bytes);
  const GgufMetadata metadata(header);
  EXPECT_EQ(metadata.integer("u8"), 200);
  EXPECT_EQ(metadata.integer("i8"), -100);
  EXPECT_EQ(metadata.integer("u16"), 60000);
  EXPECT_EQ(metadata.integer("i16"), -30000);
  EXPECT_EQ(metadata.integer("u32"), 4000000000);
  EXPECT_EQ(metadata.integer("i32"), -2000000000);
  EXPECT_EQ(metadata.number("f32"), 1.5);
  EXPECT_EQ(metadata.number("i8"), -100);
  EXPECT_TRUE(metadata.boolean("bool"));
  EXPECT_EQ(metadata.text("text"), std::string("with\0zero", 9));
  EXPECT_EQ(metadata.integer("u64"), int64_t{1} << 62);
  EXPECT_EQ(metadata.integer("i64"), -(int64_t{1} << 62));
  EXPECT_EQ(metadata.number("f64"), 0.1);
  EXPECT_THAT(metadata.texts("texts"), ElementsAre("one", "", "three"));
  EXPECT_THAT(metadata.integers("integers"), ElementsAre(3, -1));
  EXPECT_THAT(metadata.numbers("numbers"), ElementsAre(0.5f, -2));
  EXPECT_TRUE(metadata.texts("none").empty());
  EXPECT_EQ(metadata.integer_or("absent", 7), 7);
  EXPECT_THROW(metadata.integer("huge"), Error);
  EXPECT_THROW(metadata.integer("f32"), Error);
  EXPECT_THROW(metadata.integer("integers"), Error);
  EXPECT_THROW(metadata.integer("absent"), Error);
  EXPECT_THROW(metadata.number("text"), Error);
  EXPECT_THROW(metadata.boolean("u8"), Error);
  EXPECT_THROW(metadata.text("texts"), Error);
  EXPECT_THROW(metadata.texts("integers"), Error);
  EXPECT_THROW(metadata.texts("text"), Error);
  EXPECT_THROW(metadata.integers("numbers"), Error);
  EXPECT_THROW(metadata.numbers("texts"), Error);
}

TEST(GgufHeader, OtherAlignments) {
  GgufBuilder builder = small();
  builder.u32("general.alignment", 8);
  EXPECT_EQ(parse(builder.bytes()).tensors.size(), 2u);
  for (const uint32_t bad : {0u, 1u, 4u, 24u, 1u << 31}) {
    builder.u32("general.alignment", bad);
    EXPECT_THAT(error_of(builder.bytes()), HasSubstr("general.alignment")) << bad;
  }
  builder.text("general.alignment", "32");
  EXPECT_THAT(error_of(builder.bytes()), HasSubstr("general.alignment"));
  builder.u32("general.alignment", 64);  // the second tensor is at 32
  EXPECT_THAT(error_of(builder.bytes()), HasSubstr("no multiple of 64"));
}

TEST(GgufHeader, OtherVersionsByName) {
  GgufBuilder builder = small();
  const std::pair<uint32_t, const char*> cases[] = {{0, "version 0"},
                                                    {1, "version 1"},
                                                    {4, "version 4"},
                                                    {0x03000000, "big-endian"},
                                                    {0x02000000, "big-endian"}};
  for (const auto& [version, message] : cases) {
    builder.version = version;
    EXPECT_THAT(error_of(builder.bytes()), AllOf(HasSubstr("model.gguf"), HasSubstr(message)));
  }
  EXPECT_THAT(error_of("GGML"), HasSubstr("not a GGUF file"));
  EXPECT_THAT(error_of(""), HasSubstr("not a GGUF file"));
}

TEST(GgufHeader, OtherTypesByName) {
  GgufBuilder builder = small();
  builder.tensor("a").type = "IQ2_XXS";
  EXPECT_THAT(error_of(builder.bytes()), AllOf(HasSubstr("tensor a"), HasSubstr("IQ2_XXS")));
  builder.tensor("a").type = "NEW";
  EXPECT_THAT(error_of(builder.bytes()), AllOf(HasSubstr("tensor a"), HasSubstr("type 99")));
}

// A file that stops anywhere is refused, whatever it stops in.
TEST(GgufHeader, CutShort) {
  GgufBuilder builder = small();
  builder.texts("texts", {"one", "two"});
  builder.integers("integers", {1, 2, 3});
  const std::string bytes = builder.bytes();
  const size_t end = bytes.size() - (32 - 4 * 34 % 32) % 32;  // padding may be missing
  for (size_t size = 0; size < end; ++size) {
    EXPECT_NE(error_of(bytes.substr(0, size)), "") << size;
  }
  EXPECT_EQ(error_of(bytes.substr(0, end)), "");
}

std::string header_of(uint64_t tensors, uint64_t entries, const std::string& rest) {
  return "GGUF" + encoded(uint32_t{3}) + encoded(tensors) + encoded(entries) + rest;
}

std::string tensor_info(const std::string& name, const std::vector<uint64_t>& dimensions,
                        uint32_t type, uint64_t offset) {
  std::string bytes = GgufBuilder::encoded_text(name);
  bytes += encoded(static_cast<uint32_t>(dimensions.size()));
  for (const uint64_t size : dimensions) bytes += encoded(size);
  return bytes + encoded(type) + encoded(offset);
}

// One tensor in a file with 4096 bytes of data.
std::string error_of_tensor(const std::vector<uint64_t>& dimensions, uint32_t type,
                            uint64_t offset) {
  std::string bytes = header_of(1, 0, tensor_info("bad", dimensions, type, offset));
  bytes.resize(128 + 4096);
  return error_of(bytes);
}

TEST(GgufHeader, HostileTensors) {
  constexpr uint64_t kHuge = uint64_t{1} << 61;
  EXPECT_EQ(error_of_tensor({32, 4}, 0, 0), "");
  EXPECT_THAT(error_of_tensor({}, 0, 0), HasSubstr("0 dimensions"));
  EXPECT_THAT(error_of_tensor({1, 1, 1, 1, 1}, 0, 0), HasSubstr("5 dimensions"));
  EXPECT_THAT(error_of_tensor({32, 0}, 0, 0), HasSubstr("dimension of 0"));
  EXPECT_THAT(error_of_tensor({~uint64_t{0}}, 0, 0), HasSubstr("dimension of"));
  EXPECT_THAT(error_of_tensor({kHuge}, 0, 0), HasSubstr("too large"));
  EXPECT_THAT(error_of_tensor({kHuge, kHuge, 8}, 0, 0), HasSubstr("too large"));
  EXPECT_THAT(error_of_tensor({uint64_t{1} << 40}, 0, 0), HasSubstr("past the end"));
  EXPECT_THAT(error_of_tensor({31, 4}, 8, 0), HasSubstr("blocks of 32"));
  EXPECT_THAT(error_of_tensor({128}, 12, 0), HasSubstr("blocks of 256"));
  EXPECT_THAT(error_of_tensor({32}, 0, 16), HasSubstr("no multiple of 32"));
  EXPECT_THAT(error_of_tensor({32}, 0, 4096), HasSubstr("past the end"));
  EXPECT_THAT(error_of_tensor({32}, 0, uint64_t{1} << 40), HasSubstr("past the end"));
  EXPECT_THAT(error_of_tensor({32}, 0, ~uint64_t{31}), HasSubstr("starts at byte"));
}

TEST(GgufHeader, OverlapAndDuplicates) {
  std::string bytes = header_of(2, 0, tensor_info("a", {32}, 0, 0) + tensor_info("b", {32}, 0, 96));
  EXPECT_THAT(error_of(bytes + std::string(4096, '\0')), HasSubstr("a and b overlap"));
  bytes = header_of(2, 0, tensor_info("a", {32}, 0, 0) + tensor_info("a", {32}, 0, 128));
  EXPECT_THAT(error_of(bytes + std::string(4096, '\0')), HasSubstr("tensor a is listed twice"));
  const std::string entry = GgufBuilder::encoded_text("key") + encoded(uint32_t{7}) + "1";
  EXPECT_THAT(error_of(header_of(0, 2, entry + entry)), HasSubstr("key is there twice"));
}

std::string array_entry(uint32_t type, uint64_t count, const std::string& rest) {
  return GgufBuilder::encoded_text("key") + encoded(uint32_t{9}) + encoded(type) + encoded(count) +
         rest;
}

// Counts that would be gigabytes are compared with what is there before anything is made.
TEST(GgufHeader, HugeCountsCostNothing) {
  const std::string rest(4096, '\1');
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  for (const uint64_t huge :
       {uint64_t{1} << 16, uint64_t{1} << 32, uint64_t{1} << 61, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_NE(error_of(header_of(huge, 0, rest)), "");
    EXPECT_NE(error_of(header_of(0, huge, rest)), "");
    EXPECT_NE(error_of(header_of(0, 1, encoded(huge) + rest)), "");
    for (const uint32_t type : {0, 4, 7, 8, 12}) {
      EXPECT_THAT(error_of(header_of(0, 1, array_entry(type, huge, rest))), HasSubstr("past the"));
    }
    const std::string text = GgufBuilder::encoded_text("key") + encoded(uint32_t{8});
    EXPECT_NE(error_of(header_of(0, 1, text + encoded(huge) + rest)), "");
  }
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 16 << 10);  // KiB
}

TEST(GgufHeader, TypesOfMetadataThatThereAreNot) {
  const std::string key = GgufBuilder::encoded_text("key");
  EXPECT_THAT(error_of(header_of(0, 1, key + encoded(uint32_t{13}) + "12345678")),
              HasSubstr("unknown type 13"));
  EXPECT_THAT(error_of(header_of(0, 1, array_entry(13, 1, "12345678"))),
              HasSubstr("unknown type 13"));
  EXPECT_THAT(error_of(header_of(0, 1, array_entry(9, 1, std::string(64, '\0')))),
              HasSubstr("array of arrays"));
}

}  // namespace
}  // namespace octavo::test
