// SHA-256 (FIPS 180-4), for the hashes of the tokenizer goldens alone.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace octavo::test {

/// First 32 bits of the fractional part of `root`'s value of the n-th prime.
template <class Root, size_t kCount>
std::array<uint32_t, kCount> prime_fractions(Root root) {
  std::array<uint32_t, kCount> values{};
  size_t count = 0;
  for (int candidate = 2; count < kCount; ++candidate) {
    bool prime = true;
    for (int divisor = 2; divisor * divisor <= candidate; ++divisor) {
      prime = prime && candidate % divisor != 0;
    }
    if (!prime) continue;
    const long double value = root(static_cast<long double>(candidate));
    values[count++] = static_cast<uint32_t>((value - std::floor(value)) * 0x1p32L);
  }
  return values;
}

using Sha256State = std::array<uint32_t, 8>;

inline void sha256_block(const uint8_t* bytes, const std::array<uint32_t, 64>& constants,
                         Sha256State& state) {
  std::array<uint32_t, 64> w{};
  for (size_t i = 0; i < 16; ++i) {
    for (size_t b = 0; b < 4; ++b) w[i] = w[i] << 8 | bytes[4 * i + b];
  }
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                           ((e & f) ^ (~e & g)) + constants[i] + w[i];
    const uint32_t second =
        (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first;
    d = c, c = b, b = a, a = first + second;
  }
  const Sha256State added = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state[i] += added[i];
}

/// 64 hexadecimal digits.
inline std::string sha256(std::string_view message) {
  const auto constants = prime_fractions<long double (*)(long double), 64>(std::cbrt);
  Sha256State state = prime_fractions<long double (*)(long double), 8>(std::sqrt);
  std::string padded(message);
  padded += '\x80';
  padded.append((120 - padded.size() % 64) % 64, '\0');
  const uint64_t bits = 8 * static_cast<uint64_t>(message.size());
  for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>(bits >> shift);
  for (size_t i = 0; i < padded.size(); i += 64) {
    sha256_block(reinterpret_cast<const uint8_t*>(padded.data()) + i, constants, state);
  }
  std::string digits;
  for (const uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[word >> shift & 15];
  }
  return digits;
}

}  // namespace octavo::test
