// An unfinished model file goes on where it can be trusted, and ends as if nothing had happened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "io/model_writer.h"
#include "io/small_model.h"
#include "io/write_journal.h"

namespace octavo::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

ModelDirectory plan() {
  ModelDirectory directory;
  directory.config = small_config();
  directory.requested_format = "f32";
  directory.source = "a test";
  directory.tensors = tensor_plan(directory.config);
  return directory;
}

WriteOptions resumable(bool resume, std::string source = "source") {
  WriteOptions options;
  options.resumable = true;
  options.resume = resume;
  options.source = std::move(source);
  options.threads = 2;
  return options;
}

// Bytes of tensor `index`, another for each.
std::vector<std::byte> bytes_of(const ModelWriter& writer, size_t index) {
  const auto count = static_cast<size_t>(writer.directory().tensors[index].bytes);
  return std::vector<std::byte>(count, static_cast<std::byte>(index + 1));
}

// From where the writer stands to before tensor `end`.
void write_up_to(ModelWriter& writer, size_t end) {
  for (size_t i = writer.next_tensor(); i < end; ++i) writer.append(i, bytes_of(writer, i));
}

class Resume : public ::testing::Test {
 protected:
  static constexpr size_t kDone = 7;

  // What a run leaves that was stopped in the middle of tensor kDone.
  void SetUp() override {
    ModelWriter uninterrupted(folder.file("expected.8vo"), plan());
    write_up_to(uninterrupted, uninterrupted.directory().tensors.size());
    uninterrupted.finish();
    expected = read_file(folder.file("expected.8vo"));
    tensors = uninterrupted.directory().tensors;
    fs::remove(folder.file("expected.8vo"));
    ModelWriter stopped(path, plan(), resumable(false));
    write_up_to(stopped, kDone);
    const std::vector<std::byte> next = bytes_of(stopped, kDone);
    stopped.append(kDone, std::span(next).first(100));
    ASSERT_TRUE(stopped.keep());
  }

  // Goes on with what is there; returns the tensor at which it does.
  size_t go_on(bool resume = true) const {
    ModelWriter writer(path, plan(), resumable(resume));
    const size_t first = writer.next_tensor();
    write_up_to(writer, tensors.size());
    writer.finish();
    EXPECT_EQ(read_file(path), expected);
    EXPECT_EQ(files_here(), 1u);
    return first;
  }
  size_t files_here() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }
  static void flip(const std::string& file, int64_t at) {
    std::string bytes = read_file(file);
    char& byte = bytes[static_cast<size_t>(at)];
    byte = static_cast<char>(byte ^ 1);
    write_file(file, bytes);
  }

  const TempDir folder;
  const std::string path = folder.file("out.8vo"), part = path + ".part",
                    journal = part + ".journal";
  std::string expected;
  std::vector<TensorEntry> tensors;
};

TEST_F(Resume, GoesOnAfterTheLastWholeTensor) {
  EXPECT_EQ(files_here(), 2u);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(go_on(), kDone);
}

TEST_F(Resume, ManyTimes) {
  for (size_t end = kDone + 1; end < tensors.size(); end += 2) {
    ModelWriter writer(path, plan(), resumable(true));
    EXPECT_EQ(writer.next_tensor(), end == kDone + 1 ? kDone : end - 2);
    write_up_to(writer, end);
    ASSERT_TRUE(writer.keep());
  }
  EXPECT_GT(go_on(), kDone);
}

TEST_F(Resume, WithoutItStartsAnew) { EXPECT_EQ(go_on(false), 0u); }

TEST_F(Resume, WithNothingThereStartsAnew) {
  fs::remove(part);
  fs::remove(journal);
  EXPECT_EQ(go_on(), 0u);
}

// Every tensor in turn, its padding, and bytes that no tensor has.
TEST_F(Resume, DamageIsFoundAndMadeAgain) {
  const std::string kept = read_file(part), kept_journal = read_file(journal);
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (const int64_t at : {tensors[i].offset, tensors[i].offset + tensors[i].bytes - 1,
                             tensors[i].offset + tensors[i].bytes}) {
      fs::remove(path);
      write_file(part, kept);
      write_file(journal, kept_journal);
      const bool is_padding = at == tensors[i].offset + tensors[i].bytes;
      if (is_padding && (i + 1 == tensors.size() || at == tensors[i + 1].offset)) continue;
      flip(part, at);
      EXPECT_EQ(go_on(), std::min(i, kDone)) << at;
    }
  }
  write_file(part, kept);
  write_file(journal, kept_journal);
  flip(part, tensors.front().offset - 1);
  go_on();
}

TEST_F(Resume, CutShort) {
  fs::resize_file(part, static_cast<uintmax_t>(tensors[3].offset));
  EXPECT_EQ(go_on(), 3u);
}

TEST_F(Resume, PartialFileIsGone) {
  fs::remove(part);
  EXPECT_EQ(go_on(), 0u);
}

TEST_F(Resume, JournalIsGone) {
  fs::remove(journal);
  EXPECT_EQ(go_on(), 0u);
}

// Cut or damaged anywhere: never more than it says, never wrong bytes.
TEST_F(Resume, DamagedJournal) {
  const std::string kept = read_file(part), kept_journal = read_file(journal);
  const size_t first_line = kept_journal.find('\n') + 1;
  for (size_t at = 0; at < kept_journal.size(); at += 5) {
    for (const bool cut : {false, true}) {
      fs::remove(path);
      write_file(part, kept);
      write_file(journal, cut ? kept_journal.substr(0, at) : kept_journal);
      if (!cut) flip(journal, static_cast<int64_t>(at));
      const auto before = kept_journal.begin() + static_cast<ptrdiff_t>(at);
      const auto lines = static_cast<size_t>(std::count(kept_journal.begin(), before, '\n'));
      EXPECT_EQ(go_on(), at < first_line ? 0 : lines - 1) << at;
    }
  }
}

TEST_F(Resume, AnotherPlanOrSourceIsRefused) {
  ModelDirectory other = plan();
  other.tensors[2].format = Format::kQ8_0;
  EXPECT_THAT(error_of([&] { ModelWriter writer(path, other, resumable(true)); }),
              AllOf(HasSubstr(part), HasSubstr("other types"), HasSubstr("without --resume")));
  EXPECT_THAT(error_of([&] { ModelWriter writer(path, plan(), resumable(true, "changed")); }),
              AllOf(HasSubstr(part), HasSubstr("source that has changed")));
  WriteOptions calibrated = resumable(true);
  calibrated.calibration = "another";
  EXPECT_THAT(error_of([&] { ModelWriter writer(path, plan(), calibrated); }),
              AllOf(HasSubstr(part), HasSubstr("another --calibration")));
  EXPECT_EQ(go_on(), kDone);  // nothing was touched
}

TEST_F(Resume, TheCheckCanBeStopped) {
  WriteOptions options = resumable(true);
  options.threads = 1;
  size_t calls = 0;
  options.checked = [&](size_t done) {
    EXPECT_EQ(done, ++calls);
    return done < 3;
  };
  EXPECT_THAT(error_of([&] { ModelWriter writer(path, plan(), options); }), HasSubstr("--resume"));
  EXPECT_EQ(calls, 3u);
  EXPECT_EQ(go_on(), kDone);
}

TEST_F(Resume, TwoWritersAreKeptApart) {
  for (const bool resume : {true, false}) {
    ModelWriter first(path, plan(), resumable(true));
    EXPECT_THAT(error_of([&] { ModelWriter second(path, plan(), resumable(resume)); }),
                AllOf(HasSubstr(part), HasSubstr("another process")));
    ASSERT_TRUE(first.keep());
  }
  EXPECT_EQ(go_on(), kDone);
}

TEST_F(Resume, WhatFailsForGoodIsRemoved) {
  { const ModelWriter writer(path, plan(), resumable(true)); }
  EXPECT_EQ(files_here(), 0u);
}

TEST_F(Resume, NothingIsKeptOfNothing) {
  const TempDir other;
  {
    ModelWriter writer(other.file("out.8vo"), plan(), resumable(false));
    const std::vector<std::byte> next = bytes_of(writer, 0);
    writer.append(0, std::span(next).first(10));
    EXPECT_FALSE(writer.keep());
  }
  EXPECT_TRUE(fs::is_empty(other.path()));
}

// A limit on file sizes stands for a disk that fills up in the middle.
TEST_F(Resume, AFailedWriteKeepsWhatIsDone) {
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  std::string message;
  {
    ModelWriter writer(path, plan(), resumable(true));
    struct rlimit small = old;
    small.rlim_cur = static_cast<rlim_t>(tensors[kDone + 2].offset);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    message = error_of([&] { write_up_to(writer, tensors.size()); });
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, AllOf(HasSubstr("too large"), HasSubstr("--resume")));
  EXPECT_EQ(files_here(), 2u);
  EXPECT_EQ(go_on(), kDone);
}

TEST(ResumeDetails, NamesThatAreNoFilesAreLeftAlone) {
  const TempDir folder;
  fs::create_directory(folder.path() / "a.8vo.part");
  EXPECT_NE(error_of([&] { ModelWriter writer(folder.file("a.8vo"), plan()); }), "");
  write_file(folder.file("precious"), "precious");
  fs::create_symlink(folder.file("precious"), folder.file("b.8vo.part"));
  EXPECT_NE(error_of([&] { ModelWriter writer(folder.file("b.8vo"), plan()); }), "");
  EXPECT_EQ(read_file(folder.file("precious")), "precious");
}

TEST(ResumeDetails, FreeBytesCountWhatAPartialFileHolds) {
  const TempDir folder;
  const int64_t before = free_bytes_for(folder.file("out.8vo"));
  EXPECT_GT(before, 0);
  EXPECT_THAT(error_of([&] { free_bytes_for(folder.file("none/out.8vo")); }),
              HasSubstr("No such file"));
}

}  // namespace
}  // namespace octavo::test
