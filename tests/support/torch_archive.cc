#include "support/torch_archive.h"

#include "support/little_endian.h"

namespace octavo::test {
namespace {

std::string pickled_sizes(const std::vector<int64_t>& sizes) {
  std::vector<std::string> items;
  items.reserve(sizes.size());
  for (const int64_t size : sizes) items.push_back(pickled_int(size));
  return pickled_tuple(items);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

}  // namespace

std::string op(int code) { return {static_cast<char>(code)}; }

std::string pickled_text(std::string_view text) {
  return op('X') + u32(text.size()) + std::string(text);
}

std::string pickled_int(int64_t value) {
  if (value >= 0 && value < 256) return op('K') + u8(static_cast<uint64_t>(value));
  if (value >= 0 && value < 65536) return op('M') + u16(static_cast<uint64_t>(value));
  if (value == static_cast<int32_t>(value)) return op('J') + u32(static_cast<uint64_t>(value));
  return op(0x8A) + u8(8) + u64(static_cast<uint64_t>(value));
}

std::string pickled_tuple(const std::vector<std::string>& items) {
  if (items.empty()) return ")";
  if (items.size() > 3) return op('(') + joined(items) + "t";
  return joined(items) + static_cast<char>(0x84 + items.size());
}

std::string pickled_global(std::string_view module, std::string_view name) {
  return op('c') + std::string(module) + "\n" + std::string(name) + "\n";
}

std::string pickled_stack_global(std::string_view module, std::string_view name) {
  const auto text = [](std::string_view part) {
    return op(0x8C) + u8(part.size()) + std::string(part);
  };
  return text(module) + text(name) + "\x93";
}

std::string pickled_dict(const std::vector<std::string>& keys_and_values) {
  return "}(" + joined(keys_and_values) + "u";
}

std::vector<int64_t> dense_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::string pickled_tensor(const TorchView& view) {
  const std::string storage =
      pickled_tuple({pickled_text("storage"), pickled_global("torch", view.storage_type),
                     pickled_text(view.key), pickled_text("cpu"), pickled_int(view.elements)}) +
      "Q";
  const std::string hooks = pickled_global("collections", "OrderedDict") + ")R";
  return pickled_global("torch._utils", "_rebuild_tensor_v2") +
         pickled_tuple({storage, pickled_int(view.first), pickled_sizes(view.shape),
                        pickled_sizes(view.strides), "\x89", hooks}) +
         "R";
}

std::string whole_pickle(const std::string& value, int protocol) {
  return op(0x80) + u8(static_cast<uint64_t>(protocol)) + value + ".";
}

std::vector<ZipMember> torch_members(const std::string& pickle,
                                     const std::vector<std::string>& storages) {
  std::vector<ZipMember> members = {{.name = "archive/data.pkl", .bytes = pickle},
                                    {.name = "archive/byteorder", .bytes = "little"}};
  for (size_t i = 0; i < storages.size(); ++i) {
    members.push_back({.name = "archive/data/" + std::to_string(i), .bytes = storages[i]});
  }
  members.push_back({.name = "archive/version", .bytes = "3\n"});
  return members;
}

std::string make_torch_archive(const std::vector<SafeTensor>& tensors, const ZipStyle& style) {
  std::vector<std::string> items, storages;
  for (const SafeTensor& tensor : tensors) {
    TorchView view = {.key = std::to_string(storages.size()),
                      .shape = tensor.shape,
                      .strides = dense_strides(tensor.shape)};
    if (tensor.dtype != "F32") view.storage_type = "HalfStorage";
    if (tensor.dtype == "BF16") view.storage_type = "BFloat16Storage";
    view.elements = static_cast<int64_t>(tensor.bytes.size()) / (tensor.dtype == "F32" ? 4 : 2);
    items.push_back(pickled_text(tensor.name));
    items.push_back(pickled_tensor(view));
    storages.push_back(tensor.bytes);
  }
  return make_zip(torch_members(whole_pickle(pickled_dict(items)), storages), style);
}

}  // namespace octavo::test
