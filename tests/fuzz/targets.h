// What the fuzzers feed, and what must hold for anything that is accepted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "convert/gguf.h"
#include "convert/gguf_metadata.h"
#include "convert/gguf_tokenizer.h"
#include "convert/safetensors.h"
#include "convert/torch_archive.h"
#include "io/model_layout.h"
#include "io/session_layout.h"
#include "octavo/error.hpp"
#include "support/torch_archive.h"

namespace octavo::test {

inline void expect(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);  // not an octavo::Error: the fuzzer reports it
}

inline void check_directory(const ModelDirectory& directory, int64_t file_size) {
  int64_t end = 0;
  for (const TensorEntry& entry : directory.tensors) {
    expect(entry.offset >= end && entry.bytes > 0, "extents overlap");
    end = entry.offset + entry.bytes;
    expect(end > 0 && end <= file_size, "an extent reaches past the file");
  }
  const std::string text = write_directory(directory);
  expect(!text.empty(), "a directory that cannot be written again");
}

/// Eight bytes of file size, then either a whole file's start, or (first byte of the size odd) a
/// directory's text, to which a header with the right checksums is made.
inline void fuzz_model_directory(std::span<const uint8_t> input) {
  if (input.size() < 8) return;
  int64_t file_size = 0;
  std::memcpy(&file_size, input.data(), 8);
  const std::string text(reinterpret_cast<const char*>(input.data()) + 8, input.size() - 8);
  const bool directory_only = file_size % 2 != 0;
  file_size /= 2;
  std::string bytes = text;
  if (directory_only) {
    const ModelHeader header = make_header(text, file_size);
    bytes = std::string(reinterpret_cast<const char*>(&header), sizeof header) + text;
  }
  try {
    check_directory(parse_model_directory(std::as_bytes(std::span(bytes)), file_size, "fuzz"),
                    file_size);
  } catch (const Error&) {
  }
}

/// Eight bytes of file size (0: the input's own), then the file's start.
inline void fuzz_safetensors_header(std::span<const uint8_t> input) {
  if (input.size() < 8) return;
  int64_t file_size = 0;
  std::memcpy(&file_size, input.data(), 8);
  const std::span<const uint8_t> file = input.subspan(8);
  if (file_size < static_cast<int64_t>(file.size())) file_size = static_cast<int64_t>(file.size());
  try {
    const SafeTensors tensors =
        parse_safetensors_header(std::as_bytes(file), file_size, "fuzz.safetensors");
    int64_t bytes = 0;
    for (const auto& [name, tensor] : tensors) {
      expect(tensor.offset >= 8 && tensor.bytes >= 0, "an extent before the data");
      expect(tensor.bytes <= file_size - tensor.offset, "an extent past the file");
      bytes += tensor.bytes;
    }
    expect(bytes <= file_size, "extents overlap");
  } catch (const Error&) {
  }
}

/// A byte, then (it is even) a whole archive, or (odd) a pickle, for which an archive is made with
/// two storages of 24 and 64 bytes, and the right checksum.
inline void fuzz_torch_archive(std::span<const uint8_t> input) {
  if (input.empty()) return;
  std::string file(reinterpret_cast<const char*>(input.data()) + 1, input.size() - 1);
  if (input[0] % 2 != 0) {
    file = make_zip(torch_members(file, {std::string(24, 'x'), std::string(64, 'y')}));
  }
  const auto size = static_cast<int64_t>(file.size());
  try {
    for (const auto& [name, tensor] :
         parse_torch_archive(std::as_bytes(std::span(file)), "fuzz.pth")) {
      expect(tensor.offset >= 30 && tensor.bytes >= 0, "an extent before the data");
      expect(tensor.bytes <= size - tensor.offset, "an extent past the file");
      int64_t bytes = tensor.type == "F32" ? 4 : 2;
      for (const int64_t extent : tensor.shape) bytes *= extent;
      expect(bytes == tensor.bytes, "a shape of another length");
    }
  } catch (const Error& error) {
    expect(std::strchr(error.what(), '\n') == nullptr, "a message of many lines");
  }
}

/// A byte, then (it is even) a whole session file, or (odd) one whose size and checksums are put
/// right first.
inline void fuzz_session_file(std::span<const uint8_t> input) {
  if (input.empty()) return;
  std::string file(reinterpret_cast<const char*>(input.data()) + 1, input.size() - 1);
  SessionHeader header;
  if (input[0] % 2 != 0 && file.size() >= sizeof header + kSessionChecksumBytes) {
    std::memcpy(&header, file.data(), sizeof header);
    header.file_bytes = file.size();
    header.header_checksum = session_header_checksum(header);
    std::memcpy(file.data(), &header, sizeof header);
    const size_t end = file.size() - static_cast<size_t>(kSessionChecksumBytes);
    const SessionChecksum checksum = session_checksum(XXH3_128bits(file.data(), end));
    std::memcpy(file.data() + end, checksum.data(), sizeof checksum);
  }
  try {
    const ParsedSession parsed = parse_session(std::as_bytes(std::span(file)), "fuzz");
    const SessionContent& content = parsed.content;
    expect(content.first >= 0 && content.positions() >= 0, "positions before the first");
    expect(parsed.entries_offset + content.layers * content.positions() * content.entry_bytes +
                   kSessionChecksumBytes ==
               static_cast<int64_t>(file.size()),
           "keys and values of another length");
    expect(4 * (content.tokens.size() + content.logits.size()) < file.size(), "numbers of nowhere");
    const std::string head = session_head(content);
    expect(head.size() >= sizeof header, "a head that cannot be written again");
  } catch (const Error& error) {
    expect(std::strchr(error.what(), '\n') == nullptr, "a message of many lines");
  }
}

inline void check_gguf_tensors(const GgufHeader& header, int64_t file_size) {
  std::vector<std::pair<int64_t, int64_t>> extents;
  for (const auto& [name, tensor] : header.tensors) {
    expect(tensor.offset > 0 && tensor.bytes > 0, "an extent of nothing");
    expect(tensor.bytes <= file_size - tensor.offset, "an extent past the file");
    extents.emplace_back(tensor.offset, tensor.bytes);
  }
  std::sort(extents.begin(), extents.end());
  for (size_t i = 1; i < extents.size(); ++i) {
    expect(extents[i - 1].first + extents[i - 1].second <= extents[i].first, "extents overlap");
  }
}

/// Reads every entry in every way; those of other types throw.
inline void read_gguf_metadata(const GgufHeader& header) {
  const GgufMetadata metadata(header);
  const auto attempt = [](const auto& read) {
    try {
      read();
    } catch (const Error&) {
    }
  };
  for (const auto& entry : header.metadata) {
    const std::string& key = entry.first;
    const size_t count = entry.second.count;
    attempt([&] { metadata.integer(key); });
    attempt([&] { metadata.number(key); });
    attempt([&] { metadata.boolean(key); });
    attempt([&] { metadata.text(key); });
    attempt([&] { expect(metadata.integers(key).size() == count, "integers are lost"); });
    attempt([&] { expect(metadata.numbers(key).size() == count, "numbers are lost"); });
    attempt([&] { expect(metadata.texts(key).size() == count, "texts are lost"); });
  }
  std::vector<std::string> notes;
  attempt([&] { read_gguf_tokenizer(metadata, notes); });
}

/// Eight bytes of file size (0: the input's own), then the file's start.
inline void fuzz_gguf_header(std::span<const uint8_t> input) {
  if (input.size() < 8) return;
  int64_t file_size = 0;
  std::memcpy(&file_size, input.data(), 8);
  const std::span<const uint8_t> file = input.subspan(8);
  if (file_size < static_cast<int64_t>(file.size())) file_size = static_cast<int64_t>(file.size());
  try {
    const GgufHeader header = parse_gguf_header(std::as_bytes(file), file_size, "fuzz.gguf");
    check_gguf_tensors(header, file_size);
    read_gguf_metadata(header);
  } catch (const Error&) {
  }
}

}  // namespace octavo::test
