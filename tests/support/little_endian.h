// Numbers as the bytes of a file.
#pragma once

#include <cstdint>
#include <string>

namespace octavo::test {

std::string u8(uint64_t value);
std::string u16(uint64_t value);
std::string u32(uint64_t value);
std::string u64(uint64_t value);

}  // namespace octavo::test
