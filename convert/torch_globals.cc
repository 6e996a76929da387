#include "convert/torch_globals.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

using Kind = PickleValue::Kind;
using Arguments = std::span<const PickleValue>;

struct KnownGlobal {
  std::string_view module, name;
  PickleGlobal global;
};

constexpr std::array<KnownGlobal, 6> kKnown = {{
    {"collections", "OrderedDict", PickleGlobal::kOrderedDict},
    {"torch._utils", "_rebuild_tensor_v2", PickleGlobal::kRebuildTensor},
    {"torch._utils", "_rebuild_parameter", PickleGlobal::kRebuildParameter},
    {"torch", "FloatStorage", PickleGlobal::kFloatStorage},
    {"torch", "HalfStorage", PickleGlobal::kHalfStorage},
    {"torch", "BFloat16Storage", PickleGlobal::kBFloat16Storage},
}};

bool is_natural(const PickleValue& value) { return value.is(Kind::kInt) && value.number >= 0; }

bool is_storage_type(const PickleValue& value) {
  return value.is(Kind::kGlobal) &&
         value.number >= static_cast<int64_t>(PickleGlobal::kFloatStorage);
}

bool is_tuple_of_naturals(const PickleHeap& heap, const PickleValue& value) {
  if (!value.is(Kind::kTuple) || value.count > kMostDimensions) return false;
  const Arguments items = heap.tuple(value);
  return std::all_of(items.begin(), items.end(), is_natural);
}

// _rebuild_tensor_v2(storage, first, shape, strides, requires_grad, hooks[, metadata])
PickleValue rebuild_tensor(PickleHeap& heap, Arguments arguments) {
  const bool good =
      (arguments.size() == 6 || arguments.size() == 7) && arguments[0].is(Kind::kStorage) &&
      is_natural(arguments[1]) && is_tuple_of_naturals(heap, arguments[2]) &&
      is_tuple_of_naturals(heap, arguments[3]) && arguments[2].count == arguments[3].count;
  if (!good) {
    fail(ErrorCode::kFormat,
         "the pickle builds tensor {} from no storage, shape and strides as torch.save writes them",
         heap.tensors.size());
  }
  heap.tensors.push_back({arguments[0].number, arguments[1].number, arguments[2], arguments[3]});
  return {Kind::kTensor, 0, static_cast<int64_t>(heap.tensors.size()) - 1};
}

}  // namespace

PickleValue find_global(std::string_view module, std::string_view name) {
  for (const KnownGlobal& known : kKnown) {
    if (known.module == module && known.name == name) {
      return {Kind::kGlobal, 0, static_cast<int64_t>(known.global)};
    }
  }
  const std::string whole = printable(module) + "." + printable(name);
  if (module == "torch" && name.ends_with("Storage")) {
    fail(ErrorCode::kUnsupported,
         "the pickle has tensors in a {}; only those in FloatStorage, HalfStorage and "
         "BFloat16Storage are read",
         whole);
  }
  fail(ErrorCode::kUnsupported, "the pickle asks for the global {}; only tensors are read", whole);
}

PickleValue call_global(PickleHeap& heap, const PickleValue& function,
                        const PickleValue& arguments) {
  if (function.is(Kind::kGlobal) && arguments.is(Kind::kTuple)) {
    const Arguments values = heap.tuple(arguments);
    switch (static_cast<PickleGlobal>(function.number)) {
      case PickleGlobal::kOrderedDict:
        if (values.empty()) return heap.new_dict();
        break;
      case PickleGlobal::kRebuildTensor:
        return rebuild_tensor(heap, values);
      case PickleGlobal::kRebuildParameter:  // (tensor, requires_grad, hooks)
        if (values.size() == 3 && values[0].is(Kind::kTensor)) return values[0];
        break;
      default:
        break;
    }
  }
  fail(ErrorCode::kFormat, "the pickle calls something that builds no tensor");
}

// ("storage", type, key, device, elements)
PickleValue load_storage(PickleHeap& heap, const PickleValue& id) {
  const Arguments values = id.is(Kind::kTuple) ? heap.tuple(id) : Arguments();
  const bool good = values.size() == 5 && values[0].is(Kind::kText) &&
                    heap.text(values[0]) == "storage" && is_storage_type(values[1]) &&
                    values[2].is(Kind::kText) && values[3].is(Kind::kText) && is_natural(values[4]);
  if (!good) {
    fail(ErrorCode::kFormat, "the pickle refers to something outside that is no storage");
  }
  heap.storages.push_back(
      {static_cast<PickleGlobal>(values[1].number), values[2], values[4].number});
  return {Kind::kStorage, 0, static_cast<int64_t>(heap.storages.size()) - 1};
}

}  // namespace octavo
