// What octavo bench found, as text or JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "octavo/machine.hpp"
#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {

struct BenchArguments {
  ModelArguments model;
  std::vector<std::string> devices = {"cpu"};
  int64_t prompt = 512, generate = 128, depth = 0, repetitions = 3;
  bool json = false, stats = false;
  std::string svg;  ///< file for the chart; empty: none
};

/// What was measured on one device.
struct BenchResult {
  std::string device;          ///< "cpu"
  std::string description;     ///< the same for people
  double open_seconds = 0;     ///< until the model was ready: a GPU's takes its weights over
  int64_t device_bytes = 0;    ///< memory of the device that the model and the session took
  MachineSpeed before, after;  ///< the machine, in front of the passes and behind them
  MachineSpeed machine;        ///< the faster of both, figure by figure
  std::string format;          ///< of the model
  std::vector<double> prefill, decode;             ///< tokens a second, one a repetition
  std::vector<OpProfile> prefill_ops, decode_ops;  ///< of the last repetition, with --stats
  double prefill_operations = 0;                   ///< a token: multiplications and additions
  double decode_bytes = 0;        ///< a token: weights and the cache at the mean depth
  double decode_cache_bytes = 0;  ///< the cache's part of it
  std::string cache_type;         ///< of keys and values
  int64_t chunk = 0;              ///< tokens that prefill computes at once
  int64_t cache_bytes = 0, minor_faults = 0, major_faults = 0, private_bytes = 0, peak_bytes = 0;
};

/// Medians of the passes and what follows from them.
struct BenchRates {
  explicit BenchRates(const BenchResult& result);

  double prefill, decode;  ///< tokens a second
  double prefill_gop_s, decode_gb_s;
  std::string unit;  ///< that does most of the prefill
  double peak;       ///< of that unit, in 10^9 a second
  double share_of_peak;
  double share_of_stream;
};

std::string bench_text(const BenchArguments& arguments, const BenchResult& result);
nlohmann::json bench_json(const BenchArguments& arguments, const BenchResult& result);

}  // namespace octavo::cli
