// What octavo bench found, as text or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octavo/machine.hpp"
#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {

struct BenchArguments {
  ModelArguments model;
  std::string device = "cpu";
  int64_t prompt = 512, generate = 128, depth = 0, repetitions = 3;
  bool json = false, stats = false;
};

struct BenchResult {
  MachineSpeed before, after;           ///< the machine, in front of the passes and behind them
  MachineSpeed machine;                 ///< the faster of both, figure by figure
  std::string format;                   ///< of the model
  std::vector<double> prefill, decode;  ///< tokens a second, one a repetition
  std::vector<OpProfile> prefill_ops, decode_ops;  ///< of the last repetition, with --stats
  double prefill_operations = 0;                   ///< a token: multiplications and additions
  double decode_bytes = 0;        ///< a token: weights and the cache at the mean depth
  double decode_cache_bytes = 0;  ///< the cache's part of it
  std::string cache_type;         ///< of keys and values
  int64_t chunk = 0;              ///< tokens that prefill computes at once
  int64_t cache_bytes = 0, minor_faults = 0, major_faults = 0, private_bytes = 0, peak_bytes = 0;
};

std::string bench_json(const BenchArguments& arguments, const BenchResult& result);
std::string bench_text(const BenchArguments& arguments, const BenchResult& result);

}  // namespace octavo::cli
