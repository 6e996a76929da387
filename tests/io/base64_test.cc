#include "io/base64.h"

#include <gtest/gtest.h>

#include "support/random.h"

namespace octavo::test {
namespace {

// The examples of RFC 4648, section 10.
TEST(Base64, Rfc4648) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, AllBytesComeBack) {
  Random random(1);
  for (int length = 0; length < 300; ++length) {
    std::string bytes;
    for (int i = 0; i < length; ++i) bytes += static_cast<char>(random.below(256));
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
  }
}

TEST(Base64, OtherTextIsRefused) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg==Zg==", "=Zg=", "====", "Zh==", "Zm9=", "Zm9v\n",
                           "Zm9*", "Z=9v", "\xC3\xA9\xC3\xA9"}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace octavo::test
