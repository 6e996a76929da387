// Which table runs: the best of the machine, or the one that OCTAVO_ISA names.
#include "simd/kernels.h"

#include <cstdlib>
#include <string_view>

#include "simd/vector_tables.h"

namespace octavo {
namespace {

// OCTAVO_ISA=avx512 takes AVX-512 with VNNI where the machine has it.
bool matches(std::string_view wanted, std::string_view table) {
  if (wanted == "avx512") return table == "avx512-vnni" || table == "avx512";
  return wanted == table;
}

const Kernels& choose() {
  const char* wanted = std::getenv("OCTAVO_ISA");
  const Kernels* found = wanted != nullptr ? find_kernels(wanted) : nullptr;
  return found != nullptr ? *found : *all_kernels().front();
}

}  // namespace

const std::vector<const Kernels*>& all_kernels() {
  static const std::vector<const Kernels*> tables = [] {
    std::vector<const Kernels*> list = vector_tables();
    list.push_back(&scalar_kernels());
    return list;
  }();
  return tables;
}

const Kernels* find_kernels(std::string_view isa) {
  for (const Kernels* table : all_kernels()) {
    if (matches(isa, table->name)) return table;
  }
  return nullptr;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace octavo
