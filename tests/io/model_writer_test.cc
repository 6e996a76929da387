// Writing: all or nothing, whatever goes wrong.
#include "io/model_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "io/small_model.h"

namespace octavo::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

ModelDirectory plan() {
  ModelDirectory directory;
  directory.config = small_config();
  directory.requested_format = "f32";
  directory.tokenizer = std::string("\0\x01\xFFtokenizer", 12);
  directory.chat_template = "{{ messages }} \xC3\xA9";
  directory.source = "a test";
  directory.notes = {"first", "second"};
  directory.tensors = tensor_plan(directory.config);
  return directory;
}

void write_all(ModelWriter& writer) {
  for (size_t i = 0; i < writer.directory().tensors.size(); ++i) {
    writer.append(i, std::vector<std::byte>(
                         static_cast<size_t>(writer.directory().tensors[i].bytes), std::byte{7}));
  }
}

size_t files_in(const TempDir& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
}

TEST(ModelWriter, WritesWhatTheReaderReads) {
  const TempDir folder;
  const std::string path = folder.file("out.8vo");
  ModelWriter writer(path, plan());
  write_all(writer);
  EXPECT_FALSE(fs::exists(path));  // not before it is whole
  writer.finish();
  const ModelFile file(path);
  EXPECT_EQ(file.size(), writer.file_size());
  EXPECT_EQ(file.directory().tokenizer, plan().tokenizer);
  EXPECT_EQ(file.directory().chat_template, plan().chat_template);
  EXPECT_EQ(file.directory().source, "a test");
  EXPECT_EQ(file.directory().notes, plan().notes);
  EXPECT_TRUE(file.verify(1).empty());
  EXPECT_EQ(files_in(folder), 1u);
}

// The same bytes however they are cut.
TEST(ModelWriter, TakesTensorsInPieces) {
  const TempDir folder;
  ModelWriter whole(folder.file("whole.8vo"), plan());
  write_all(whole);
  whole.finish();
  ModelWriter pieces(folder.file("pieces.8vo"), plan());
  for (size_t i = 0; i < pieces.directory().tensors.size(); ++i) {
    const std::vector<std::byte> bytes(static_cast<size_t>(pieces.directory().tensors[i].bytes),
                                       std::byte{7});
    for (size_t at = 0; at < bytes.size(); at += 100) {
      pieces.append(i, std::span(bytes).subspan(at, std::min<size_t>(100, bytes.size() - at)));
    }
  }
  pieces.finish();
  EXPECT_EQ(read_file(folder.file("whole.8vo")), read_file(folder.file("pieces.8vo")));
}

TEST(ModelWriter, RefusesTheWrongOrder) {
  const TempDir folder;
  ModelWriter writer(folder.file("out.8vo"), plan());
  const std::vector<std::byte> one(1);
  EXPECT_THAT(error_of([&] { writer.append(1, one); }), HasSubstr("in order"));
  const std::vector<std::byte> much(static_cast<size_t>(writer.directory().tensors[0].bytes) + 1);
  EXPECT_THAT(error_of([&] { writer.append(0, much); }), HasSubstr("in order"));
  EXPECT_THAT(error_of([&] { writer.finish(); }), HasSubstr("not complete"));
}

TEST(ModelWriter, LeavesNothingWhenItIsNotFinished) {
  const TempDir folder;
  {
    ModelWriter writer(folder.file("out.8vo"), plan());
    write_all(writer);
    EXPECT_EQ(files_in(folder), 1u);
  }
  EXPECT_EQ(files_in(folder), 0u);
}

TEST(ModelWriter, KeepsTheOldFileUntilTheNewOneIsWhole) {
  const TempDir folder;
  const std::string path = folder.file("out.8vo");
  write_file(path, "old");
  { ModelWriter abandoned(path, plan()); }
  EXPECT_EQ(read_file(path), "old");
  ModelWriter writer(path, plan());
  write_all(writer);
  EXPECT_EQ(read_file(path), "old");
  writer.finish();
  EXPECT_NO_THROW(ModelFile{path});
}

TEST(ModelWriter, WritesThroughALink) {
  const TempDir folder;
  fs::create_directory(folder.path() / "disk");
  write_file(folder.file("disk/real.8vo"), "old");
  fs::create_symlink(folder.file("disk/real.8vo"), folder.file("link.8vo"));
  ModelWriter writer(folder.file("link.8vo"), plan());
  write_all(writer);
  writer.finish();
  EXPECT_TRUE(fs::is_symlink(folder.path() / "link.8vo"));
  EXPECT_NO_THROW(ModelFile{folder.file("disk/real.8vo")});
}

TEST(ModelWriter, NeverReplacesWhatIsNoFile) {
  const TempDir folder;
  EXPECT_THAT(error_of([] { ModelWriter writer("/dev/full", plan()); }), HasSubstr("no file"));
  EXPECT_THAT(error_of([&] { ModelWriter writer(folder.path().string(), plan()); }),
              HasSubstr("no file"));
  EXPECT_THAT(error_of([&] { ModelWriter writer(folder.file("none/out.8vo"), plan()); }),
              HasSubstr("No such file"));
}

// A limit on file sizes stands for a full disk: the failure comes at once, not after an hour.
TEST(ModelWriter, FullDiskLeavesNothing) {
  const TempDir folder;
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  struct rlimit small = old;
  small.rlim_cur = 8192;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = error_of([&] { ModelWriter writer(folder.file("out.8vo"), plan()); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_THAT(message, HasSubstr("out.8vo"));
  EXPECT_THAT(message, HasSubstr("too large"));
  EXPECT_EQ(files_in(folder), 0u);
}

// The kernel's own answer for more than any disk has.
TEST(ModelWriter, SaysAtOnceThatTheDiskIsTooSmall) {
  const TempDir folder;
  ModelDirectory directory = plan();
  directory.config.vocab = int64_t{1} << 28;
  directory.config.dim = int64_t{1} << 20;
  directory.tensors = tensor_plan(directory.config);
  EXPECT_NE(error_of([&] { ModelWriter writer(folder.file("out.8vo"), directory); }), "");
  EXPECT_EQ(files_in(folder), 0u);
}

TEST(ModelWriter, RefusesTextThatIsNoUtf8) {
  const TempDir folder;
  ModelDirectory directory = plan();
  directory.chat_template = "\xFF\xFE";
  EXPECT_THAT(error_of([&] { ModelWriter writer(folder.file("out.8vo"), directory); }),
              HasSubstr("UTF-8"));
  EXPECT_EQ(files_in(folder), 0u);
}

}  // namespace
}  // namespace octavo::test
