// What this machine has beyond the targets that Highway detects itself.
#pragma once

namespace octavo {

struct CpuFeatures {
  bool avx_vnni = false;      ///< vpdpbusd on 256 bits without AVX-512
  bool neon_dotprod = false;  ///< sdot and udot
  bool amx = false;           ///< tiles, int8 and bf16; the system has lent them to this process
};

/// Asks the processor, and the system, once.
const CpuFeatures& cpu_features();

}  // namespace octavo
