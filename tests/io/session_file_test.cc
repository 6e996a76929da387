// The session file as bytes.
#include "io/session_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "support/files.h"
#include "support/random.h"
#include "support/temp_dir.h"

namespace octavo::test {
namespace {

SessionContent small_content() {
  return {.identity = "0123456789abcdef0123456789abcdef",
          .model = "mixtral in q4_0, 2 layers of 64, 8 experts",
          .cache_type = "f16",
          .layers = 2,
          .entry_bytes = 24,
          .window = 3,
          .rope_theta = 1e6,
          .first = 2,
          .tokens = {1, 7, 3, 99, 5},
          .logits = {0.5f, -1, 2e9f}};
}

std::vector<std::byte> some_bytes(int64_t count) {
  std::vector<std::byte> bytes(static_cast<size_t>(count));
  Random random(1);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(256));
  return bytes;
}

class SessionFileTest : public testing::Test {
 protected:
  void write(const SessionContent& content) {
    SessionWriter writer(path_, content);
    const std::span<const std::byte> all = entries_;
    writer.append(all.first(10));
    writer.append(all.subspan(10));
    writer.finish();
  }
  static std::string fault(std::string_view bytes) {
    try {
      parse_session(std::as_bytes(std::span(bytes)), "saved");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  const TempDir folder_;
  const std::string path_ = folder_.file("saved");
  const std::vector<std::byte> entries_ = some_bytes(2 * 3 * 24);
};

TEST_F(SessionFileTest, ComesBackAsItWas) {
  const SessionContent content = small_content();
  write(content);
  const SessionFile file(path_);
  const SessionContent& read = file.content();
  EXPECT_EQ(read.identity, content.identity);
  EXPECT_EQ(read.model, content.model);
  EXPECT_EQ(read.cache_type, content.cache_type);
  EXPECT_EQ(read.layers, 2);
  EXPECT_EQ(read.entry_bytes, 24);
  EXPECT_EQ(read.window, 3);
  EXPECT_EQ(read.rope_theta, 1e6);
  EXPECT_EQ(read.first, 2);
  EXPECT_EQ(read.tokens, content.tokens);
  EXPECT_EQ(read.logits, content.logits);
  const std::span<const std::byte> last = file.entries(1, 1, 2);
  EXPECT_EQ(std::vector<std::byte>(last.begin(), last.end()),
            std::vector<std::byte>(entries_.end() - 48, entries_.end()));
}

TEST_F(SessionFileTest, EveryChangedByteIsRefused) {
  write(small_content());
  const std::string whole = read_file(path_);
  EXPECT_EQ(fault(whole), "");
  for (size_t i = 0; i < whole.size(); ++i) {
    for (int value = 1; value < 256; ++value) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ value);
      ASSERT_NE(fault(bytes), "") << "byte " << i;
    }
  }
}

TEST_F(SessionFileTest, EveryOtherLengthIsRefused) {
  write(small_content());
  const std::string whole = read_file(path_);
  for (size_t length = 0; length < whole.size(); ++length) {
    ASSERT_NE(fault(std::string_view(whole).substr(0, length)), "") << length;
  }
  for (const size_t more : {1, 16, 64, 1000}) {
    EXPECT_NE(fault(whole + std::string(more, '\0')), "");
    EXPECT_NE(fault(std::string(more, '\0') + whole), "");
  }
  EXPECT_NE(fault(whole + whole), "");
}

TEST_F(SessionFileTest, AnInterruptedWriteLeavesTheOldFile) {
  write(small_content());
  const std::string whole = read_file(path_);
  {
    SessionWriter writer(path_, small_content());
    writer.append(std::span<const std::byte>(entries_).first(10));
    EXPECT_THROW(writer.finish(), Error);
  }
  EXPECT_EQ(read_file(path_), whole);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".part"));
}

TEST_F(SessionFileTest, SaysWhatIsWrong) {
  write(small_content());
  std::string whole = read_file(path_);
  EXPECT_THAT(fault("a text"), testing::HasSubstr("saved: not a saved session"));
  EXPECT_THAT(fault(whole.substr(0, whole.size() - 1)), testing::HasSubstr("cut short"));
  whole[whole.size() / 2] ^= 1;
  EXPECT_THAT(fault(whole), testing::HasSubstr("checksum is wrong"));
}

}  // namespace
}  // namespace octavo::test
