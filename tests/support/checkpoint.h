// Checkpoint folders as Hugging Face lays them out, made on the spot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "model/config.h"
#include "quant/format.h"

namespace octavo::test {

/// Writes config.json and model.safetensors of a model with random weights that keep activations of
/// order one. `stored` is kF32, kF16 or kBF16.
void write_random_checkpoint(const std::filesystem::path& folder, const ModelConfig& config,
                             uint64_t seed, Format stored = Format::kF32);

/// The folder of stories260K-moe8: the one expert that tests/data keeps of each layer becomes all
/// eight.
void write_stories_checkpoint(const std::filesystem::path& folder);

}  // namespace octavo::test
