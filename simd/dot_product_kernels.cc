// The kernels once more with the dot-product instructions that Highway 1.0.3 has no target for:
// AVX2 with AVX-VNNI, NEON with sdot. Highway's own functions are always inlined, so they serve
// with their plain attributes; everything else lives in namespaces that no plain table shares.
#include "hwy/detect_targets.h"
#include "simd/vector_tables.h"

#define OCTAVO_DOT_PRODUCT 1

#if HWY_ARCH_X86 && (HWY_TARGETS & HWY_AVX2)
#define OCTAVO_DOT_NAMESPACE N_AVX2_VNNI
#define OCTAVO_PLAIN_NAMESPACE N_AVX2
#define OCTAVO_DOT_TARGET HWY_AVX2
#define OCTAVO_DOT_TARGET_STR HWY_TARGET_STR_AVX2 ",avxvnni"
#elif HWY_ARCH_ARM_A64 && (HWY_TARGETS & HWY_NEON) && \
    (HWY_HAVE_RUNTIME_DISPATCH || defined(__ARM_FEATURE_DOTPROD))
#define OCTAVO_DOT_NAMESPACE N_NEON_DOTPROD
#define OCTAVO_PLAIN_NAMESPACE N_NEON
#define OCTAVO_DOT_TARGET HWY_NEON
// The compiler's own header asks for the architecture that the extension belongs to.
#define OCTAVO_DOT_TARGET_STR "arch=armv8.2-a+crypto+dotprod"
#endif

#ifdef OCTAVO_DOT_NAMESPACE
#undef HWY_TARGET
#define HWY_TARGET OCTAVO_DOT_TARGET
// Sets the macros of the plain target, two of which then change.
#include "hwy/highway.h"

#undef HWY_NAMESPACE
#define HWY_NAMESPACE OCTAVO_DOT_NAMESPACE
#ifdef HWY_TARGET_STR
#undef HWY_TARGET_STR
#define HWY_TARGET_STR OCTAVO_DOT_TARGET_STR
#endif

namespace hwy::OCTAVO_DOT_NAMESPACE {
using namespace OCTAVO_PLAIN_NAMESPACE;  // NOLINT: what the kernels know as hn
}

#include "simd/kernel_table-inl.h"
#endif  // OCTAVO_DOT_NAMESPACE

namespace octavo {

const Kernels* dot_product_table() {
#ifdef OCTAVO_DOT_NAMESPACE
  return OCTAVO_DOT_NAMESPACE::table();
#else
  return nullptr;
#endif
}

}  // namespace octavo
