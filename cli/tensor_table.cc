#include "tensor_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace octavo::cli {
namespace {

// A name taken apart: "layers.3.experts.5.w1" is {3, 5, "w1"}; -1: has none.
struct NameParts {
  int64_t layer = -1, expert = -1;
  std::string kind;
};

// Takes "PREFIXnumber." off the front of `name`; -1 when it does not begin so.
int64_t take_number(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return -1;
  const char* begin = name.data() + prefix.size();
  int64_t number = -1;
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), number);
  if (error != std::errc()) return -1;
  name.remove_prefix(static_cast<size_t>(end - name.data()) + 1);
  return number;
}

NameParts take_apart(std::string_view name) {
  NameParts parts;
  parts.layer = take_number(name, "layers.");
  parts.expert = take_number(name, "experts.");
  parts.kind = name;
  return parts;
}

// "5", "[0-3,7]".
std::string numbers_text(const std::vector<int64_t>& numbers) {
  if (numbers.size() == 1) return std::to_string(numbers.front());
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[i]);
    if (last > i) text += fmt::format("-{}", numbers[last]);
    i = last + 1;
  }
  return fmt::format("[{}]", text);
}

std::string kinds_text(const std::vector<std::string>& kinds) {
  if (kinds.size() == 1) return kinds.front();
  std::string text;
  for (const std::string& kind : kinds) text += fmt::format("{}{}", text.empty() ? "" : ",", kind);
  return fmt::format("{{{}}}", text);
}

using Numbers = std::vector<int64_t>;

/// Tensors of some kinds in all of these layers, of all of these experts.
struct Block {
  Numbers layers, experts;
  std::vector<std::string> kinds;
  TensorGroup group;
  size_t first = 0;  // its first tensor

  bool takes(const Block& other) const {
    return layers == other.layers && experts == other.experts && group.from == other.group.from &&
           group.type == other.group.type;
  }
  std::string pattern() const {
    std::string text;
    if (layers.front() >= 0) text += fmt::format("layers.{}.", numbers_text(layers));
    if (experts.front() >= 0) text += fmt::format("experts.{}.", numbers_text(experts));
    return text + kinds_text(kinds);
  }
};

/// Tensors of one kind, source type and type: of each layer its experts.
struct Kind {
  std::string name, from, type;
  std::map<int64_t, std::vector<size_t>> tensors;  // by layer, numbers in the file
};

void count(Block& block, const TensorInfo& entry) {
  ++block.group.tensors;
  block.group.weights += entry.rows * entry.cols;
  block.group.bytes += entry.bytes;
}

// Layers with the same experts together.
std::vector<Block> blocks_of(const Kind& kind, const ModelContents& contents) {
  std::vector<Block> blocks;
  for (const auto& [layer, tensors] : kind.tensors) {
    Numbers experts;
    for (const size_t i : tensors) experts.push_back(take_apart(contents.tensors[i].name).expert);
    const auto same = [&](const Block& block) { return block.experts == experts; };
    auto at = std::find_if(blocks.begin(), blocks.end(), same);
    if (at == blocks.end()) {
      Block fresh;
      fresh.experts = experts;
      fresh.kinds = {kind.name};
      fresh.group.from = kind.from;
      fresh.group.type = kind.type;
      fresh.first = tensors.front();
      at = blocks.insert(blocks.end(), std::move(fresh));
    }
    at->layers.push_back(layer);
    for (const size_t i : tensors) count(*at, contents.tensors[i]);
  }
  return blocks;
}

std::vector<Kind> kinds_of(const ModelContents& contents) {
  std::vector<Kind> kinds;
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    const TensorInfo& entry = contents.tensors[i];
    const NameParts parts = take_apart(entry.name);
    auto at = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) {
      return kind.name == parts.kind && kind.from == entry.source_type && kind.type == entry.type;
    });
    if (at == kinds.end()) {
      at = kinds.insert(kinds.end(), {parts.kind, entry.source_type, entry.type, {}});
    }
    at->tensors[parts.layer].push_back(i);
  }
  return kinds;
}

double bits(const TensorGroup& group) {
  return group.weights > 0
             ? 8 * static_cast<double>(group.bytes) / static_cast<double>(group.weights)
             : 0;
}

}  // namespace

std::vector<TensorGroup> group_tensors(const ModelContents& contents) {
  std::vector<Block> blocks;
  for (const Kind& kind : kinds_of(contents)) {
    for (Block& block : blocks_of(kind, contents)) {
      const auto at = std::find_if(blocks.begin(), blocks.end(),
                                   [&](const Block& known) { return known.takes(block); });
      if (at == blocks.end()) {
        blocks.push_back(std::move(block));
        continue;
      }
      at->kinds.push_back(block.kinds.front());
      at->group.tensors += block.group.tensors;
      at->group.weights += block.group.weights;
      at->group.bytes += block.group.bytes;
    }
  }
  std::sort(blocks.begin(), blocks.end(),
            [](const Block& a, const Block& b) { return a.first < b.first; });
  std::vector<TensorGroup> groups;
  for (Block& block : blocks) {
    block.group.pattern = block.pattern();
    groups.push_back(std::move(block.group));
  }
  return groups;
}

std::string tensor_table(const std::vector<TensorGroup>& groups) {
  constexpr size_t kWidest = 46;  // longer patterns stand on a line of their own
  const bool has_from = !groups.empty() && !groups.front().from.empty();
  size_t width = 7;
  TensorGroup all;
  for (const TensorGroup& group : groups) {
    if (group.pattern.size() <= kWidest) width = std::max(width, group.pattern.size());
    all.tensors += group.tensors;
    all.weights += group.weights;
    all.bytes += group.bytes;
  }
  const auto line = [&](std::string name, const std::string& count, const std::string& from,
                        std::string_view to, const std::string& size,
                        const std::string& width_text) {
    if (name.size() > width) name.append(1, '\n').append(width, ' ');
    const std::string from_text = has_from ? fmt::format("  {:<6}", from) : std::string();
    return fmt::format("{:<{}} {:>6}{}  {:<5} {:>12} {:>7}\n", name, width, count, from_text, to,
                       size, width_text);
  };
  std::string text = line("tensors", "count", "from", has_from ? "to" : "type", "size", "bits");
  for (const TensorGroup& group : groups) {
    text += line(group.pattern, std::to_string(group.tensors), group.from, group.type,
                 size_text(group.bytes), fmt::format("{:.3f}", bits(group)));
  }
  return text + line("all", std::to_string(all.tensors), "", "", size_text(all.bytes),
                     fmt::format("{:.3f}", bits(all)));
}

std::string count_text(int64_t count) {
  const auto value = static_cast<double>(count);
  if (value >= 1e9) return fmt::format("{:.2f} billion", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f} million", value / 1e6);
  return std::to_string(count);
}

std::string size_text(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return value >= 1e9 ? fmt::format("{:.2f} GB", value / 1e9)
                      : fmt::format("{:.2f} MB", value / 1e6);
}

}  // namespace octavo::cli
