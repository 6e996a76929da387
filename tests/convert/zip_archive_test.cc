// Zip archives: what is read, and what is refused because it lies or is not stored as it is.
#include "convert/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/mapped_file.h"
#include "octavo/error.hpp"
#include "support/files.h"
#include "support/little_endian.h"
#include "support/temp_dir.h"
#include "support/zip.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string error_of(const std::string& file) {
  try {
    parse_zip(bytes_of(file));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const std::vector<ZipMember> kMembers = {{.name = "a/data.pkl", .bytes = "pickle"},
                                         {.name = "a/data/0", .bytes = std::string(300, 'x')},
                                         {.name = "a/empty"},
                                         {.name = "a/data/1", .bytes = "12345678"}};

TEST(Zip, EntriesAreWhereTheyLie) {
  for (const ZipStyle& style : {ZipStyle{}, ZipStyle{.wide = true}, ZipStyle{.alignment = 1},
                                ZipStyle{.comment = "PK\5\6 is no end record"}}) {
    const std::string file = make_zip(kMembers, style);
    const ZipEntries entries = parse_zip(bytes_of(file));
    ASSERT_EQ(entries.size(), kMembers.size());
    for (const ZipMember& member : kMembers) {
      const ZipEntry& entry = entries.at(member.name);
      EXPECT_EQ(file.substr(static_cast<size_t>(entry.offset), static_cast<size_t>(entry.bytes)),
                member.bytes);
      EXPECT_EQ(checked_entry(bytes_of(file), member.name, entry).size(), member.bytes.size());
    }
  }
}

TEST(Zip, ChecksumIsTheUsualOne) {
  EXPECT_EQ(crc32(bytes_of("123456789")), 0xCBF43926u);
  EXPECT_EQ(crc32({}), 0u);
}

TEST(Zip, DamagedEntryIsNamed) {
  std::string file = make_zip(kMembers);
  const ZipEntries entries = parse_zip(bytes_of(file));
  file[static_cast<size_t>(entries.at("a/data.pkl").offset)] ^= 1;
  try {
    checked_entry(bytes_of(file), "a/data.pkl", entries.at("a/data.pkl"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a/data.pkl does not fit its checksum"));
  }
}

// As the shards of Mixtral 8x7B are: sizes and offsets beyond 32 bits, in a file full of holes.
TEST(Zip, FilesBeyondFourGigabytes) {
  const TempDir folder;
  const std::string path = folder.file("large.pt");
  constexpr uint64_t kLarge = uint64_t{5} << 30;
  const std::vector<ZipMember> members = {
      {.name = "a/0", .size = kLarge}, {.name = "a/1", .bytes = "behind", .header = kLarge + 100}};
  const ZipStyle style = {.wide = true, .alignment = 1};
  // The first member's header; the second one's, far behind; the directory with its place moved.
  const std::string first = make_zip({members[0]}, style);
  const std::string both = make_zip(members, style);
  const size_t second = 30 + 3 + 4, directory = second + 30 + 3 + 4 + 6;
  std::string tail = both.substr(directory);
  const uint64_t directory_at = kLarge + 100 + directory - second;
  const size_t record = tail.find("PK\6\6"), locator = tail.find("PK\6\7");
  tail.replace(record + 48, 8, u64(directory_at));
  tail.replace(locator + 8, 8, u64(directory_at + record));
  {
    std::ofstream out(path, std::ios::binary);
    out << first.substr(0, second);
    out.seekp(kLarge + 100);
    out << both.substr(second, directory - second) << tail;
  }
  const MappedFile file(path);
  const ZipEntries entries = parse_zip(file.bytes());
  EXPECT_EQ(entries.at("a/0").bytes, static_cast<int64_t>(kLarge));
  EXPECT_EQ(entries.at("a/1").offset, static_cast<int64_t>(kLarge + 100 + 37));
  EXPECT_EQ(checked_entry(file.bytes(), "a/1", entries.at("a/1")).size(), 6u);
}

struct BadZip {
  const char* name;
  std::string file;
  const char* message;
};

std::string with_member(const ZipMember& member, bool wide = false) {
  return make_zip({{.name = "first", .bytes = "12345678"}, member}, {.wide = wide});
}

// The end record with a field of `bytes` at `at` replaced.
std::string with_end(size_t at, const std::string& field, bool wide = false) {
  std::string file = make_zip(kMembers, {.wide = wide});
  return file.replace(file.size() - 22 + at, field.size(), field);
}
std::string with_end64(size_t at, const std::string& field) {
  std::string file = make_zip(kMembers, {.wide = true});
  return file.replace(file.size() - 22 - 20 - 56 + at, field.size(), field);
}

std::vector<BadZip> bad_zips() {
  const std::string good = make_zip(kMembers);
  std::string no_local = good, other_name = good, no_wide = make_zip(kMembers, {.wide = true});
  no_local[0] = 'x';
  other_name[30] = 'x';
  no_wide.replace(no_wide.find("XX" + u16(2)), 8, "XX" + u16(900) + "yyyy");
  const uint64_t huge = ~uint64_t{0} - 1;
  return {
      {"Empty", "", "no zip archive"},
      {"NoEnd", good.substr(0, good.size() - 1), "no zip archive"},
      {"TextFile", std::string(100000, 'a'), "no zip archive"},
      {"Compressed", with_member({.name = "b", .bytes = "x", .method = 8}), "b is compressed"},
      {"Encrypted", with_member({.name = "b", .bytes = "x", .flags = 1}), "b is encrypted"},
      {"SameName", with_member({.name = "first", .bytes = "x"}), "first is listed twice"},
      {"SameBytes", with_member({.name = "first", .header = 0}), "twice"},
      {"Overlap",
       make_zip({{.name = "a", .bytes = std::string(40, 'x'), .size = 60}, {.name = "b"}}),
       "a and b overlap"},
      {"PastTheData", with_member({.name = "b", .bytes = "x", .size = 5}), "reaches past"},
      {"SizeOverflows", with_member({.name = "b", .bytes = "x", .size = huge}, true),
       "reaches past"},
      {"HeaderOutside", with_member({.name = "b", .header = 100000}), "starts outside"},
      {"HeaderOverflows", with_member({.name = "b", .header = huge}, true), "starts outside"},
      {"HeaderElsewhere", with_member({.name = "b", .header = 3}), "another header"},
      {"NoLocalHeader", no_local, "another header"},
      {"OtherLocalName", other_name, "another header"},
      {"LongName", with_member({.name = std::string(600, 'n')}), "damaged"},
      {"CountTooLarge", with_end(8, u16(60000) + u16(60000)), "does not fit"},
      {"CountOneMore", with_end(8, u16(5) + u16(5)), "directory"},
      {"DirectoryPastEnd", with_end(16, u32(0xFFFFFFF0)), "does not fit"},
      {"DirectoryTooLong", with_end(12, u32(0x7FFFFFFF)), "does not fit"},
      {"DirectoryElsewhere", with_end(16, u32(1)), "damaged"},
      {"SecondDisk", with_end(4, u16(1)), "several parts"},
      {"SomeOnThisDisk", with_end(8, u16(1)), "several parts"},
      {"WideCountHuge", with_end64(24, u64(huge) + u64(huge)), "does not fit"},
      {"WideSizeHuge", with_end64(40, u64(huge)), "does not fit"},
      {"WideOffsetHuge", with_end64(48, u64(huge)), "does not fit"},
      {"WideDisk", with_end64(16, u32(1)), "several parts"},
      {"EndsDiffer", with_end(10, u16(1), true), "differ"},
      {"NoWideRecord", with_end64(0, "PKxx"), "no ZIP64"},
      {"WideRecordElsewhere", with_end64(56 + 8, u64(huge)), "no ZIP64"},
      {"NoWideSizes", no_wide, "lacks its ZIP64 sizes"},
  };
}

class BadZips : public ::testing::TestWithParam<BadZip> {};
INSTANTIATE_TEST_SUITE_P(Files, BadZips, ::testing::ValuesIn(bad_zips()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BadZips, AreRefused) {
  const std::string message = error_of(GetParam().file);
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(Zip, EveryShorterFileIsRefused) {
  for (const bool wide : {false, true}) {
    const std::string file = make_zip(kMembers, {.wide = wide});
    for (size_t length = 0; length < file.size(); ++length) {
      ASSERT_NE(error_of(file.substr(0, length)), "") << length;
    }
  }
}

TEST(Zip, ChangedBytesStayInsideTheFile) {
  for (const bool wide : {false, true}) {
    std::string file = make_zip(kMembers, {.wide = wide});
    for (size_t at = 0; at < file.size(); ++at) {
      const char old = file[at];
      for (const int flip : {0x01, 0x80, 0xFF}) {
        file[at] = static_cast<char>(old ^ flip);
        try {
          for (const auto& [name, entry] : parse_zip(bytes_of(file))) {
            ASSERT_GE(entry.offset, 30);
            ASSERT_LE(entry.offset + entry.bytes, static_cast<int64_t>(file.size()));
          }
        } catch (const Error&) {
        }
      }
      file[at] = old;
    }
  }
}

TEST(Zip, TooManyEntriesAreRefused) {
  std::vector<ZipMember> members(100'001);
  for (size_t i = 0; i < members.size(); ++i) members[i].name = std::to_string(i);
  EXPECT_THAT(error_of(make_zip(members, {.wide = true})), HasSubstr("100001 entries"));
}

}  // namespace
}  // namespace octavo::test
