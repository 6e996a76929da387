#include "support/zip.h"

#include "support/little_endian.h"

namespace octavo::test {
namespace {

constexpr uint32_t kNarrowEnd = 0xFFFFFFFF;

// Bytes before a member, padded so that its own start on the alignment.
std::string local_header(const ZipMember& member, size_t at, size_t alignment) {
  const size_t bare = at + 30 + member.name.size() + 4;
  const std::string padding((alignment - bare % alignment) % alignment, 'Z');
  return u32(0x04034B50) + u16(0) + u16(8) + u16(0) + u32(0) + u32(0) + u32(0) + u32(0) +
         u16(member.name.size()) + u16(padding.size() + 4) + member.name + "FB" +
         u16(padding.size()) + padding;
}

std::string central_header(const ZipMember& member, uint64_t at, bool wide) {
  const uint64_t size = member.size.value_or(member.bytes.size());
  const uint64_t header = member.header.value_or(at);
  const std::string extra =
      wide ? "XX" + u16(2) + "yy" + u16(1) + u16(24) + u64(size) + u64(size) + u64(header) : "";
  const std::string narrow_size = u32(wide ? kNarrowEnd : size);
  return u32(0x02014B50) + u16(0) + u16(0) + u16(member.flags) + u16(member.method) + u32(0) +
         u32(member.crc.value_or(zip_crc(member.bytes))) + narrow_size + narrow_size +
         u16(member.name.size()) + u16(extra.size()) + u16(0) + u16(0) + u16(0) + u32(0) +
         u32(wide ? kNarrowEnd : header) + member.name + extra;
}

}  // namespace

uint32_t zip_crc(const std::string& bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc % 2 != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

std::string make_zip(const std::vector<ZipMember>& members, const ZipStyle& style) {
  std::string file, directory;
  for (const ZipMember& member : members) {
    directory += central_header(member, file.size(), style.wide);
    file += local_header(member, file.size(), style.alignment);
    file += member.bytes;
  }
  const uint64_t offset = file.size(), count = members.size();
  file += directory;
  if (style.wide) {
    const uint64_t record = file.size();
    file += u32(0x06064B50) + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) + u64(count) +
            u64(count) + u64(directory.size()) + u64(offset);
    file += u32(0x07064B50) + u32(0) + u64(record) + u32(1);
  }
  return file + u32(0x06054B50) + u16(0) + u16(0) + u16(style.wide ? 0xFFFF : count) +
         u16(style.wide ? 0xFFFF : count) + u32(style.wide ? kNarrowEnd : directory.size()) +
         u32(style.wide ? kNarrowEnd : offset) + u16(style.comment.size()) + style.comment;
}

}  // namespace octavo::test
