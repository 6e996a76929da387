// Which table runs: the best of the machine, or the one that OCTAVO_ISA names.
#include "simd/kernels.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "simd/vector_tables.h"

namespace octavo {
namespace {

constexpr std::string_view kPlain = "-plain";

// OCTAVO_ISA=avx512 takes the best of avx512-vnni and avx512 that the machine has,
// OCTAVO_ISA=avx512-plain the one without.
bool matches(std::string_view wanted, std::string_view table) {
  if (wanted == table) return true;
  if (wanted.ends_with(kPlain)) return wanted.substr(0, wanted.size() - kPlain.size()) == table;
  return table.starts_with(wanted) && table.substr(wanted.size()).starts_with('-');
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

std::string isa_name(const Kernels& table) {
  const std::string name = table.name;
  return find_kernels(name) == &table ? name : name + std::string(kPlain);
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace octavo
