#include "text/grammar/left_recursion.h"

#include <algorithm>

namespace octavo {
namespace {

using Lists = std::vector<std::vector<int32_t>>;

size_t index(int32_t i) { return static_cast<size_t>(i); }

/// [nodes]: whether the end of the rule can be reached from a node without a byte.
std::vector<bool> nullable_nodes(const Grammar& grammar) {
  const std::vector<Grammar::Node>& nodes = grammar.nodes;
  Lists before(nodes.size());             // nodes that go on at this one
  Lists callers(grammar.entries.size());  // of each rule
  Lists starts(nodes.size());             // rules that begin at this node
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto [kind, a, b] = nodes[i];
    const auto self = static_cast<int32_t>(i);
    if (kind == Grammar::Kind::kSplit) before[index(a)].push_back(self);
    if (kind == Grammar::Kind::kCall) callers[index(a)].push_back(self);
    if (kind == Grammar::Kind::kSplit || kind == Grammar::Kind::kCall) {
      before[index(b)].push_back(self);
    }
  }
  for (size_t rule = 0; rule < grammar.entries.size(); ++rule) {
    starts[index(grammar.entries[rule])].push_back(static_cast<int32_t>(rule));
  }
  std::vector<bool> nullable(nodes.size());
  std::vector<int32_t> found;
  const auto mark = [&](int32_t node) {
    if (nullable[index(node)]) return;
    nullable[index(node)] = true;
    found.push_back(node);
  };
  const auto look_at = [&](int32_t node) {
    const auto [kind, a, b] = nodes[index(node)];
    const bool holds = kind == Grammar::Kind::kSplit
                           ? nullable[index(a)] || nullable[index(b)]
                           : nullable[index(grammar.entries[index(a)])] && nullable[index(b)];
    if (holds) mark(node);
  };
  mark(Grammar::kReturnNode);
  while (!found.empty()) {
    const int32_t node = found.back();
    found.pop_back();
    for (const int32_t other : before[index(node)]) look_at(other);
    for (const int32_t rule : starts[index(node)]) {
      for (const int32_t other : callers[index(rule)]) look_at(other);
    }
  }
  return nullable;
}

/// [nodes]: what can come next without a byte, into called rules and past those that may be empty.
Lists steps_without_bytes(const Grammar& grammar) {
  const std::vector<bool> nullable = nullable_nodes(grammar);
  Lists steps(grammar.nodes.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto [kind, a, b] = grammar.nodes[i];
    if (kind == Grammar::Kind::kSplit) steps[i] = {a, b};
    if (kind != Grammar::Kind::kCall) continue;
    const int32_t entry = grammar.entries[index(a)];
    steps[i].push_back(entry);
    if (nullable[index(entry)]) steps[i].push_back(b);
  }
  return steps;
}

/// Tarjan's strongly connected components, without recursion. [nodes]: the number of its component.
std::vector<int32_t> components(const Lists& steps) {
  constexpr int32_t kNone = -1;
  const size_t count = steps.size();
  std::vector<int32_t> component(count, kNone), order(count, kNone), lowest(count);
  std::vector<size_t> taken(count);  // steps of each node that have been followed
  std::vector<int32_t> path, open;
  int32_t visited = 0, components = 0;
  for (size_t start = 0; start < count; ++start) {
    if (order[start] != kNone) continue;
    path.push_back(static_cast<int32_t>(start));
    while (!path.empty()) {
      const size_t node = index(path.back());
      if (order[node] == kNone) {
        order[node] = lowest[node] = visited++;
        open.push_back(path.back());
      }
      if (taken[node] < steps[node].size()) {
        const int32_t next = steps[node][taken[node]++];
        if (order[index(next)] == kNone) {
          path.push_back(next);
        } else if (component[index(next)] == kNone) {
          lowest[node] = std::min(lowest[node], order[index(next)]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) {
        int32_t& above = lowest[index(path.back())];
        above = std::min(above, lowest[node]);
      }
      if (lowest[node] != order[node]) continue;
      for (int32_t member = kNone; member != static_cast<int32_t>(node);) {
        member = open.back();
        open.pop_back();
        component[index(member)] = components;
      }
      ++components;
    }
  }
  return component;
}

}  // namespace

std::vector<bool> left_recursive_rules(const Grammar& grammar) {
  const std::vector<int32_t> component = components(steps_without_bytes(grammar));
  std::vector<bool> recursive(grammar.entries.size());
  for (size_t i = 0; i < grammar.nodes.size(); ++i) {
    const Grammar::Node& node = grammar.nodes[i];
    if (node.kind != Grammar::Kind::kCall) continue;
    // The way back from the rule's start to this call closes a circle with the call in it.
    if (component[i] == component[index(grammar.entries[index(node.a)])]) {
      recursive[index(node.a)] = true;
    }
  }
  return recursive;
}

}  // namespace octavo
