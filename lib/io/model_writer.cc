#include "io/model_writer.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "core/error.h"
#include "io/model_layout.h"
#include "io/partial_check.h"
#include "io/partial_file.h"
#include "io/write_journal.h"

namespace octavo {
namespace {

using Clock = std::chrono::steady_clock;

/// The file is written in aligned pieces of a huge page, so that systems whose page cache can keep
/// such a page whole do, and map it as one.
constexpr int64_t kPieceBytes = int64_t{2} << 20;

/// Finished tensors are noted once this much of them waits, or this long.
constexpr int64_t kCommitBytes = int64_t{256} << 20;
constexpr std::chrono::milliseconds kCommitTime{500};

uint64_t hash_of(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace

struct ModelWriter::State {
  ModelDirectory directory;
  int64_t file_bytes = 0;
  PartialFile file;
  std::string journal_path;
  bool resumable = false;
  JournalKey key;
  std::optional<WriteJournal> journal;  // from the first commit on: small models need none
  XXH3_state_t* hash = XXH3_createState();
  size_t tensor = 0;             // being written
  int64_t written = 0;           // bytes of it
  std::vector<std::byte> piece;  // not written yet
  int64_t piece_offset = 0;
  int64_t uncommitted = 0;  // bytes of finished tensors
  Clock::time_point committed = Clock::now();

  State(const std::string& path, ModelDirectory planned)
      : directory(std::move(planned)),
        file_bytes(lay_out(directory)),
        file(path),
        journal_path(file.path() + ".journal") {
    if (hash == nullptr) fail(ErrorCode::kIo, "cannot write {}: out of memory", path);
    XXH3_64bits_reset(hash);
  }

  ~State() {
    // While the partial file's lock is still held.
    if (!file.is_kept()) ::unlink(journal_path.c_str());
    XXH3_freeState(hash);
  }

  void begin(const WriteOptions& options) {
    key = {.plan = hash_of(write_directory(directory)),
           .source = hash_of(options.source),
           .calibration = hash_of(options.calibration)};
    resumable = options.resumable;
    if (options.resume) take_over(options);
    if (tensor == 0) ::unlink(journal_path.c_str());  // before what it speaks of changes
    file.reserve(tensor == 0 ? 0 : end_of(tensor - 1), file_bytes);
    if (tensor > 0) file.keep_on_failure();
  }

  // Goes on after the tensors that an earlier run finished.
  void take_over(const WriteOptions& options) {
    const JournalContent known = read_journal(journal_path);
    if (!known.is_valid) return;
    file.keep(true);  // it belongs to another run until it is known to fit
    // First: the plan's notes tell of the calibration too.
    if (known.key.calibration != key.calibration) {
      fail(ErrorCode::kInvalidArgument,
           "{} was begun with another --calibration, or one of the runs has none; repeat it as it "
           "was, or start anew without --resume",
           file.path());
    }
    if (known.key.plan != key.plan) {
      fail(ErrorCode::kInvalidArgument,
           "{} was begun with other types, another window, another model or another version; "
           "repeat its options, or start anew without --resume",
           file.path());
    }
    if (known.key.source != key.source) {
      fail(ErrorCode::kInvalidArgument,
           "{} was begun from a source that has changed since (name, size or time of a file); "
           "start anew without --resume",
           file.path());
    }
    tensor = count_whole_tensors(file.path(), directory, known.checksums, options);
    for (size_t i = 0; i < tensor; ++i) directory.tensors[i].checksum = known.checksums[i];
    file.keep(false);
  }

  // Of the finished tensors from `first` on.
  std::vector<uint64_t> checksums(size_t first) const {
    std::vector<uint64_t> list;
    for (size_t i = first; i < tensor; ++i) list.push_back(directory.tensors[i].checksum);
    return list;
  }

  int64_t end_of(size_t index) const {
    return directory.tensors[index].offset + directory.tensors[index].bytes;
  }

  void flush() {
    file.write_at(piece_offset, piece);
    piece_offset += static_cast<int64_t>(piece.size());
    piece.clear();
  }

  // The same in whole pieces, for offsets that never go back; what lies between stays zero.
  void write_behind(int64_t offset, std::span<const std::byte> bytes) {
    if (offset != piece_offset + static_cast<int64_t>(piece.size())) {
      flush();
      piece_offset = offset;
    }
    while (!bytes.empty()) {
      const auto held = static_cast<int64_t>(piece.size());
      const int64_t room = kPieceBytes - piece_offset % kPieceBytes - held;
      const auto step = std::min(bytes.size(), static_cast<size_t>(room));
      piece.insert(piece.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(step));
      bytes = bytes.subspan(step);
      if (static_cast<int64_t>(step) == room) flush();
    }
  }

  // Moves on to the next tensor that has bytes still to come.
  void close_finished_tensors() {
    while (tensor < directory.tensors.size() && written == directory.tensors[tensor].bytes) {
      directory.tensors[tensor].checksum = XXH3_64bits_digest(hash);
      XXH3_64bits_reset(hash);
      uncommitted += written;
      written = 0;
      ++tensor;
    }
  }

  // Notes finished tensors, once they are on the disk.
  void commit() {
    flush();
    file.sync();
    if (journal) {
      journal->append(checksums(static_cast<size_t>(journal->tensors())));
    } else {
      journal.emplace(journal_path, key, checksums(0));
      file.keep_on_failure();
    }
    uncommitted = 0;
    committed = Clock::now();
  }
};

ModelWriter::ModelWriter(const std::string& path, ModelDirectory directory,
                         const WriteOptions& options)
    : state_(std::make_unique<State>(path, std::move(directory))) {
  state_->begin(options);
}

ModelWriter::~ModelWriter() = default;

const ModelDirectory& ModelWriter::directory() const { return state_->directory; }
int64_t ModelWriter::file_size() const { return state_->file_bytes; }
const std::string& ModelWriter::partial_path() const { return state_->file.path(); }
size_t ModelWriter::next_tensor() const { return state_->tensor; }

void ModelWriter::append(size_t index, std::span<const std::byte> bytes) {
  State& s = *state_;
  const auto count = static_cast<int64_t>(bytes.size());
  if (index != s.tensor || index >= s.directory.tensors.size() ||
      count > s.directory.tensors[index].bytes - s.written) {
    fail(ErrorCode::kInvalidArgument, "{}: tensors must be written in order and whole",
         s.file.target());
  }
  XXH3_64bits_update(s.hash, bytes.data(), bytes.size());
  s.write_behind(s.directory.tensors[index].offset + s.written, bytes);
  s.written += count;
  s.close_finished_tensors();
  const bool is_due = s.uncommitted >= kCommitBytes || Clock::now() - s.committed >= kCommitTime;
  if (s.resumable && s.uncommitted > 0 && is_due) s.commit();
}

bool ModelWriter::keep() {
  State& s = *state_;
  if (!s.resumable || s.tensor == 0) return false;
  s.file.keep(true);
  s.commit();
  return true;
}

void ModelWriter::finish() {
  State& s = *state_;
  if (s.tensor != s.directory.tensors.size()) {
    fail(ErrorCode::kInvalidArgument, "{}: tensor {} is not complete", s.file.target(),
         s.directory.tensors[s.tensor].name);
  }
  s.flush();
  std::string directory = write_directory(s.directory);
  const ModelHeader header = make_header(directory, s.file_bytes);
  const int64_t end = s.directory.tensors.empty() ? 0 : s.directory.tensors.front().offset;
  directory.resize(std::max(directory.size(), static_cast<size_t>(end) - sizeof header));
  s.file.write_at(sizeof header, std::as_bytes(std::span(directory)));
  s.file.write_at(0, std::as_bytes(std::span(&header, 1)));
  s.file.publish();
  ::unlink(s.journal_path.c_str());
}

}  // namespace octavo
