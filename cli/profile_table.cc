#include "profile_table.h"

#include <fmt/format.h>

namespace octavo::cli {
namespace {

/// 10^9 a second; empty where nothing is counted.
std::string rate_text(double amount, double seconds) {
  return amount > 0 && seconds > 0 ? fmt::format(" {:10.1f}", amount / seconds * 1e-9) : "";
}

}  // namespace

std::string profile_table(Pass pass, int64_t tokens, const std::vector<OpProfile>& profile) {
  if (profile.empty() || tokens <= 0) return {};
  const bool decode = pass == Pass::kDecode;
  const auto amount = [&](const OpProfile& op) { return decode ? op.bytes : op.operations; };
  double seconds = 0, all = 0;
  for (const OpProfile& op : profile) {
    seconds += op.seconds;
    all += amount(op);
  }
  const double scale = decode ? 1e3 / static_cast<double>(tokens) : 1e3;
  const std::string title =
      decode ? std::string("decode, a token") : fmt::format("prefill of {}", tokens);
  std::string text =
      fmt::format("{:<18} {:>10} {:>8} {:>10}\n", title, "ms", "share", decode ? "GB/s" : "GOP/s");
  const auto line = [&](std::string_view name, double spent, double counted) {
    text += fmt::format("  {:<16} {:10.3f} {:6.1f} %{}\n", name, spent * scale,
                        seconds > 0 ? 100 * spent / seconds : 0, rate_text(counted, spent));
  };
  for (const OpProfile& op : profile) line(op.name, op.seconds, amount(op));
  line("all", seconds, all);
  return text;
}

nlohmann::json profile_json(const std::vector<OpProfile>& profile) {
  nlohmann::json list = nlohmann::json::array();
  for (const OpProfile& op : profile) {
    list.push_back({{"op", op.name},
                    {"calls", op.calls},
                    {"seconds", op.seconds},
                    {"bytes", op.bytes},
                    {"operations", op.operations}});
  }
  return list;
}

}  // namespace octavo::cli
