// Which tensors of an unfinished model file are whole: a text file beside it, one line a tensor,
// each with a checksum of its own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// What a journal belongs to.
struct JournalKey {
  uint64_t plan = 0;         ///< of everything that the directory says
  uint64_t source = 0;       ///< of what the bytes are made from
  uint64_t calibration = 0;  ///< of what weighs the scale search
};

/// What a journal says; damaged lines end it.
struct JournalContent {
  bool is_valid = false;  ///< the key could be read
  JournalKey key;
  std::vector<uint64_t> checksums;  ///< of tensors 0, 1, ...
};

JournalContent read_journal(const std::string& path);

class WriteJournal {
 public:
  /// A journal with the tensors that are done already; one that is there is cut to them, or
  /// replaced where it says something else. Throws Error(kIo).
  WriteJournal(std::string path, const JournalKey& key, std::span<const uint64_t> checksums);
  ~WriteJournal();
  WriteJournal(const WriteJournal&) = delete;
  WriteJournal& operator=(const WriteJournal&) = delete;

  /// Adds the tensors that follow; on the disk when it returns. Throws Error(kIo).
  void append(std::span<const uint64_t> checksums);
  int64_t tensors() const { return tensors_; }

 private:
  bool cut_to(const std::string& text) const;
  void write(const std::string& text);
  void sync();

  std::string path_;
  int fd_ = -1;
  int64_t tensors_ = 0;
};

}  // namespace octavo
