#include "support/trapped_amx.h"

#if defined(__x86_64__) && defined(__linux__)
#include <ucontext.h>

#include <array>
#include <cfloat>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#endif

namespace octavo::test {

#if defined(__x86_64__) && defined(__linux__)

namespace {

// The tiles and their shapes; one thread at a time.
struct TileState {
  bool configured = false;
  uint16_t row_bytes[8] = {};
  uint8_t rows[8] = {};
  uint8_t tile[8][16][64] = {};
};
TileState state;

// Nothing else can be said from a signal handler: the test ends here.
void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
T read(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// A VEX instruction of three prefix bytes, in the map and size that all tile instructions have.
struct Instruction {
  int prefix = 0, opcode = 0;  // prefix: 0 none, 1 66, 2 F3, 3 F2
  int reg = 0, rm = 0, vvvv = 0;
  bool in_memory = false;
  int length = 0;
  uint8_t* address = nullptr;
  int64_t stride = 0;  // the index register, scaled
};

Instruction decode(const greg_t* registers) {
  constexpr int kRegisters[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): registers are integers
  const auto* code = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
  require(code[0] == 0xC4 && (code[1] & 31) == 2 && (code[2] & 0x84) == 0);
  const int more_reg = (~code[1] >> 7 & 1) * 8, more_index = (~code[1] >> 6 & 1) * 8;
  const int more_base = (~code[1] >> 5 & 1) * 8;
  const int mod = code[4] >> 6, rm = code[4] & 7;
  Instruction i;
  i.prefix = code[2] & 3;
  i.vvvv = ~code[2] >> 3 & 15;
  i.opcode = code[3];
  i.reg = (code[4] >> 3 & 7) + more_reg;
  i.rm = rm + (mod == 3 ? more_base : 0);
  i.in_memory = mod != 3;
  i.length = 5;
  if (!i.in_memory) return i;
  int64_t address = 0;
  const bool is_relative = mod == 0 && rm == 5;
  if (rm == 4) {
    const int index = (code[5] >> 3 & 7) + more_index, base = code[5] & 7;
    require(mod != 0 || base != 5);
    if (index != 4) i.stride = registers[kRegisters[index]] * (1 << (code[5] >> 6));
    address = registers[kRegisters[base + more_base]];
    i.length = 6;
  } else if (!is_relative) {
    address = registers[kRegisters[rm + more_base]];
  }
  if (mod == 1) address += static_cast<int8_t>(code[i.length++]);
  if (mod == 2 || is_relative) {
    address += read<int32_t>(code + i.length);
    i.length += 4;
  }
  if (is_relative) address += registers[REG_RIP] + i.length;
  i.address = reinterpret_cast<uint8_t*>(address);  // NOLINT(performance-no-int-to-ptr)
  return i;
}

void configure(const uint8_t* from) {
  state = {};
  state.configured = true;
  require(from[0] == 1 && from[1] == 0);
  for (int at = 2; at < 16; ++at) require(from[at] == 0);
  for (int t = 0; t < 16; ++t) {
    const auto row_bytes = read<uint16_t>(from + 16 + 2 * t);
    const uint8_t rows = from[48 + t];
    require(row_bytes <= (t < 8 ? 64 : 0) && rows <= 16 && (row_bytes == 0) == (rows == 0));
    if (t >= 8) continue;
    state.row_bytes[t] = row_bytes;
    state.rows[t] = rows;
  }
}

void load(const Instruction& i) {
  std::memset(state.tile[i.reg], 0, sizeof state.tile[i.reg]);
  for (int m = 0; m < state.rows[i.reg]; ++m) {
    std::memcpy(state.tile[i.reg][m], i.address + m * i.stride, state.row_bytes[i.reg]);
  }
}

void store(const Instruction& i) {
  for (int m = 0; m < state.rows[i.reg]; ++m) {
    std::memcpy(i.address + m * i.stride, state.tile[i.reg][m], state.row_bytes[i.reg]);
  }
}

uint32_t add_bytes(uint32_t sum, const uint8_t (&a)[64], int b, int n) {
  for (int k = 0; k < 64; ++k) {
    const auto weight = static_cast<int8_t>(state.tile[b][k / 4][4 * n + k % 4]);
    sum += static_cast<uint32_t>(static_cast<int8_t>(a[k]) * weight);
  }
  return sum;
}

float flush(float value) { return std::abs(value) < FLT_MIN ? std::copysign(0.0f, value) : value; }

float bf16(const uint8_t* from) {
  const uint32_t bits = static_cast<uint32_t>(read<uint16_t>(from)) << 16;
  return flush(read<float>(reinterpret_cast<const uint8_t*>(&bits)));
}

uint32_t add_pairs(uint32_t sum_bits, const uint8_t (&a)[64], int b, int n) {
  std::array<float, 2> chain = {};
  for (int k = 0; k < 32; ++k) {
    const float weight = bf16(state.tile[b][k / 2] + 4 * n + 2 * (k % 2));
    chain[k % 2] = flush(std::fma(bf16(a + 2 * k), weight, chain[k % 2]));
  }
  const float sum = read<float>(reinterpret_cast<const uint8_t*>(&sum_bits));
  const float result = flush(flush(sum) + flush(chain[0] + chain[1]));
  return read<uint32_t>(reinterpret_cast<const uint8_t*>(&result));
}

template <class Add>
void multiply(const Instruction& i, const Add& add) {
  require(i.rm < 8 && i.vvvv < 8 && i.reg != i.rm && i.reg != i.vvvv && i.rm != i.vvvv);
  for (const int t : {i.reg, i.rm, i.vvvv}) {  // other shapes are not needed
    require(state.rows[t] == 16 && state.row_bytes[t] == 64);
  }
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      uint8_t* at = state.tile[i.reg][m] + 4 * n;
      const uint32_t sum = add(read<uint32_t>(at), state.tile[i.rm][m], i.vvvv, n);
      std::memcpy(at, &sum, 4);
    }
  }
}

// What tells the instructions apart.
constexpr int form(int opcode, int prefix, bool in_memory) {
  return opcode << 4 | prefix << 1 | (in_memory ? 1 : 0);
}
constexpr int kLoadConfig = form(0x49, 0, true), kRelease = form(0x49, 0, false);
constexpr int kZero = form(0x49, 3, false);
constexpr int kLoad = form(0x4B, 3, true), kStore = form(0x4B, 2, true);
constexpr int kDotBytes = form(0x5E, 3, false), kDotPairs = form(0x5C, 2, false);

void execute(const Instruction& i) {
  const int what = form(i.opcode, i.prefix, i.in_memory);
  if (what == kLoadConfig) {
    require(i.reg == 0);
    return configure(i.address + i.stride);
  }
  require(state.configured && i.reg < 8);
  switch (what) {
    case kRelease:
      require(i.reg == 0 && i.rm == 0);
      state.configured = false;
      return;
    case kZero:
      require(i.rm == 0);
      std::memset(state.tile[i.reg], 0, sizeof state.tile[i.reg]);
      return;
    case kLoad:
      return load(i);
    case kStore:
      return store(i);
    case kDotBytes:
      return multiply(i, add_bytes);
    case kDotPairs:
      return multiply(i, add_pairs);
    default:
      std::abort();
  }
}

void catch_illegal(int, siginfo_t*, void* context) {
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const Instruction instruction = decode(registers);
  execute(instruction);
  registers[REG_RIP] += instruction.length;
}

}  // namespace

bool trap_amx() {
  struct sigaction action = {};
  action.sa_sigaction = catch_illegal;
  action.sa_flags = SA_SIGINFO;
  return sigaction(SIGILL, &action, nullptr) == 0;
}

#else

bool trap_amx() { return false; }

#endif

}  // namespace octavo::test
