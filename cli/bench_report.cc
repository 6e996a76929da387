#include "bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "profile_table.h"

namespace octavo::cli {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

nlohmann::json units_json(const MachineSpeed& machine) {
  nlohmann::json units = nlohmann::json::object();
  for (const UnitSpeed& unit : machine.units) units[unit.name] = unit.gop_s;
  return units;
}

/// null where the machine has no unit to compare with.
nlohmann::json or_null(double value, bool known) {
  return known ? nlohmann::json(value) : nlohmann::json();
}

}  // namespace

BenchRates::BenchRates(const BenchResult& r)
    : prefill(median(r.prefill)),
      decode(median(r.decode)),
      prefill_gop_s(prefill * r.prefill_operations * 1e-9),
      decode_gb_s(decode * r.decode_bytes * 1e-9),
      unit(prefill_unit(r.device, r.format, r.machine)),
      peak(r.machine.peak(unit)),
      share_of_peak(prefill_gop_s / peak),
      share_of_stream(decode_gb_s / r.machine.stream.gb_s) {}

nlohmann::json bench_json(const BenchArguments& arguments, const BenchResult& r) {
  const BenchRates rates(r);
  const double bf16_peak = r.machine.peak("bf16");
  const bool bf16 = bf16_peak > 0;
  nlohmann::json json = {
      {"model", arguments.model.path},
      {"device", r.device},
      {"device_description", r.description},
      {"open_seconds", r.open_seconds},
      {"device_bytes", r.device_bytes},
      {"format", r.format},
      {"isa", r.machine.isa},
      {"threads", r.machine.threads},
      {"stream_gb_s", r.machine.stream.gb_s},
      {"stream_gb_s_before", r.before.stream.gb_s},
      {"stream_gb_s_after", r.after.stream.gb_s},
      {"stream_pattern", r.machine.stream.pattern},
      {"units_gop_s", units_json(r.machine)},
      {"float_gflop_s", r.machine.peak("f32")},
      {"int8_gop_s", r.machine.peak("int8")},
      {"bf16_gflop_s", or_null(bf16_peak, bf16)},
      {"prompt_tokens", arguments.prompt},
      {"generated_tokens", arguments.generate},
      {"depth", arguments.depth},
      {"chunk", r.chunk},
      {"cache_type", r.cache_type},
      {"prefill_tok_s", rates.prefill},
      {"prefill_tok_s_all", r.prefill},
      {"prefill_gop_s", rates.prefill_gop_s},
      {"prefill_unit", rates.unit},
      {"prefill_share_of_peak", rates.share_of_peak},
      {"prefill_share_of_bf16_peak", or_null(rates.prefill_gop_s / bf16_peak, bf16)},
      {"decode_tok_s", rates.decode},
      {"decode_tok_s_all", r.decode},
      {"bytes_per_token", r.decode_bytes},
      {"cache_bytes_per_token", r.decode_cache_bytes},
      {"decode_gb_s", rates.decode_gb_s},
      {"decode_share_of_stream", rates.share_of_stream},
      {"cache_bytes", r.cache_bytes},
      {"private_bytes", r.private_bytes},
      {"peak_rss_bytes", r.peak_bytes},
      {"minor_page_faults", r.minor_faults},
      {"major_page_faults", r.major_faults}};
  if (arguments.stats) {
    json["prefill_ops"] = profile_json(r.prefill_ops);
    json["decode_ops"] = profile_json(r.decode_ops);
  }
  return json;
}

std::string bench_text(const BenchArguments& arguments, const BenchResult& r) {
  const BenchRates rates(r);
  const double bf16_peak = r.machine.peak("bf16");
  const std::string threads =
      r.machine.threads > 0 ? fmt::format(", {} threads", r.machine.threads) : "";
  std::string text = fmt::format("machine  {}{}: reads {:.1f} GB/s", r.machine.isa, threads,
                                 r.machine.stream.gb_s);
  for (const UnitSpeed& unit : r.machine.units) {
    text += fmt::format(", {} {:.0f} GOP/s", unit.name, unit.gop_s);
  }
  text += fmt::format("\nreading  {}; {:.1f} GB/s before, {:.1f} after\n", r.machine.stream.pattern,
                      r.before.stream.gb_s, r.after.stream.gb_s);
  if (rates.prefill > 0) {
    text += fmt::format(
        "prefill  {} tokens, {} at once: {:.2f} tok/s, {:.0f} GOP/s, {:.0f} % of the {} peak",
        arguments.prompt, std::min(r.chunk, arguments.prompt), rates.prefill, rates.prefill_gop_s,
        100 * rates.share_of_peak, rates.unit);
    if (bf16_peak > 0 && rates.unit != "bf16") {
      text += fmt::format(", {:.0f} % of the bf16 peak", 100 * rates.prefill_gop_s / bf16_peak);
    }
    text += "\n";
  }
  if (rates.decode > 0) {
    text += fmt::format(
        "decode   {} tokens behind {}, {} cache: {:.2f} tok/s, {:.3f} GB a token, {:.1f} GB/s, "
        "{:.0f} % of the reading speed\n",
        arguments.generate, arguments.depth, r.cache_type, rates.decode, r.decode_bytes * 1e-9,
        rates.decode_gb_s, 100 * rates.share_of_stream);
  }
  text += fmt::format(
      "memory   {} MiB private (cache {} MiB), {} MiB peak with the mapped model; page faults: {} "
      "minor, {} major\n",
      r.private_bytes >> 20, r.cache_bytes >> 20, r.peak_bytes >> 20, r.minor_faults,
      r.major_faults);
  text += profile_table(Pass::kPrefill, arguments.prompt, r.prefill_ops);
  return text + profile_table(Pass::kDecode, arguments.generate, r.decode_ops);
}

}  // namespace octavo::cli
