#include "support/little_endian.h"

namespace octavo::test {
namespace {

std::string little_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
  return out;
}

}  // namespace

std::string u8(uint64_t value) { return little_endian(value, 1); }
std::string u16(uint64_t value) { return little_endian(value, 2); }
std::string u32(uint64_t value) { return little_endian(value, 4); }
std::string u64(uint64_t value) { return little_endian(value, 8); }

}  // namespace octavo::test
