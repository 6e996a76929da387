// Whole archives: every tensor lies in its storage, or the archive is refused by the tensor's name.
#include "convert/torch_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octavo/error.hpp"
#include "support/files.h"
#include "support/torch_archive.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

ArchivedTensors parse(const std::string& file) {
  return parse_torch_archive(std::as_bytes(std::span(file)), "weights.pth");
}

std::string error_of(const std::string& file) {
  try {
    parse(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string archive_of(const std::string& value, const std::vector<std::string>& storages = {}) {
  return make_zip(torch_members(whole_pickle(value), storages));
}

const std::string kStorage = "abcdefghijklmnopqrstuvwx";  // 6 numbers of 4 bytes
const TorchView kView = {.elements = 6, .shape = {2, 3}, .strides = {3, 1}};

std::string archive_of(const TorchView& view) {
  return archive_of(pickled_dict({pickled_text("w"), pickled_tensor(view)}), {kStorage});
}

std::string bytes_of(const std::string& file, const ArchivedTensor& tensor) {
  return file.substr(static_cast<size_t>(tensor.offset), static_cast<size_t>(tensor.bytes));
}

TEST(TorchArchive, TensorsOfEachType) {
  for (const bool wide : {false, true}) {
    const std::string file = make_torch_archive({{"a", "F32", {2, 3}, kStorage},
                                                 {"b", "BF16", {12}, kStorage},
                                                 {"c", "F16", {3, 1, 4}, kStorage},
                                                 {"d", "F32", {}, "1234"},
                                                 {"e", "F32", {0, 7}, ""}},
                                                {.wide = wide});
    const ArchivedTensors tensors = parse(file);
    ASSERT_EQ(tensors.size(), 5u);
    for (const char* name : {"a", "b", "c"}) {
      EXPECT_EQ(bytes_of(file, tensors.at(name)), kStorage);
      EXPECT_EQ(tensors.at(name).offset % 64, 0);
    }
    EXPECT_EQ(tensors.at("c").type, "F16");
    EXPECT_EQ(tensors.at("c").shape, (std::vector<int64_t>{3, 1, 4}));
    EXPECT_EQ(bytes_of(file, tensors.at("d")), "1234");
    EXPECT_EQ(tensors.at("e").bytes, 0);
  }
}

TEST(TorchArchive, PartOfAStorage) {
  TorchView view = kView;
  view.first = 2;
  view.shape = {1, 3, 1};
  view.strides = {99, 1, 7};  // those of single rows mean nothing
  const std::string file = archive_of(view);
  EXPECT_EQ(bytes_of(file, parse(file).at("w")), kStorage.substr(8, 12));
}

TEST(TorchArchive, DictInsideADict) {
  const std::string inner = pickled_dict({pickled_text("w"), pickled_tensor(kView)});
  const std::string file = archive_of(
      pickled_dict({pickled_text("epoch"), "K\3", pickled_text("model"), inner}), {kStorage});
  EXPECT_EQ(parse(file).count("w"), 1u);
  EXPECT_THAT(error_of(archive_of(
                  pickled_dict({pickled_text("a"), inner, pickled_text("b"), inner}), {kStorage})),
              HasSubstr("several dicts"));
}

TEST(TorchArchive, SampleOfPyTorchItself) {
  const std::string file = read_file(test_data("tiny-mixtral/pth") / "consolidated.00.pth");
  const ArchivedTensors tensors = parse(file);
  EXPECT_EQ(tensors.size(), 65u);
  EXPECT_EQ(tensors.at("layers.1.feed_forward.experts.7.w2.weight").shape,
            (std::vector<int64_t>{64, 128}));
}

struct BadArchive {
  const char* name;
  std::string file;
  const char* message;
};

std::string with_view(const std::function<void(TorchView&)>& change) {
  TorchView view = kView;
  change(view);
  return archive_of(view);
}

std::string with_members(const std::function<void(std::vector<ZipMember>&)>& change) {
  const std::string pickle = whole_pickle(pickled_dict({pickled_text("w"), pickled_tensor(kView)}));
  std::vector<ZipMember> members = torch_members(pickle, {kStorage});
  change(members);
  return make_zip(members);
}

std::vector<BadArchive> bad_archives() {
  const std::string name = pickled_text("w"), tensor = pickled_tensor(kView);
  constexpr int64_t kHuge = int64_t{1} << 62;
  return {
      {"OtherGlobal",
       archive_of(pickled_dict({name, pickled_global("os", "system") + ")R"}), {kStorage}),
       "weights.pth: the pickle asks for the global os.system; only tensors are read"},
      {"OldFormat", "\x80\2\x8A\nlF", "before version 1.6"},
      {"NoZip", "hello", "no zip archive"},
      {"NoPickle", with_members([](auto& m) { m[0].name = "archive/data.txt"; }), "no data.pkl"},
      {"TwoPickles", with_members([](auto& m) { m[1].name = "other/data.pkl"; }), "two pickles"},
      {"WrongChecksum", with_members([](auto& m) { m[0].crc = 1; }), "checksum"},
      {"CompressedPickle", with_members([](auto& m) { m[0].method = 8; }), "compressed"},
      {"BigEndian", with_members([](auto& m) { m[1].bytes = "big"; }), "byte order is big"},
      {"NoStorage", with_members([](auto& m) { m[2].name = "archive/data/1"; }),
       "w: the storage archive/data/0 is missing"},
      {"ShortStorage", with_members([](auto& m) { m[2].bytes = "1234"; }), "has 4 bytes for 6"},
      {"OddStorage", with_members([](auto& m) { m[2].bytes += "1"; }), "has 25 bytes for 6"},
      {"ElsewhereByKey", with_view([](auto& v) { v.key = "../version"; }), "is missing"},
      {"LongKey", with_view([](auto& v) { v.key = std::string(100000, 'k'); }), "is missing"},
      {"OtherType", with_view([](auto& v) { v.storage_type = "HalfStorage"; }), "of type F16"},
      {"ShapePastStorage", with_view([](auto& v) { v.shape[0] = 3; }), "9 numbers from 0"},
      {"StartPastStorage", with_view([](auto& v) { v.first = 1; }), "6 numbers from 1"},
      {"StartOverflows", with_view([](auto& v) { v.first = kHuge; }), "not in its storage"},
      {"ShapeOverflows", with_view([](auto& v) {
         v.shape = {kHuge, 4};
       }),
       "too large"},
      {"Transposed", with_view([](auto& v) {
         v.strides = {1, 2};
       }),
       "one behind the other"},
      {"Repeated", with_view([](auto& v) {
         v.strides = {0, 1};
       }),
       "one behind the other"},
      {"Spread", with_view([](auto& v) {
         v.shape = {2, 2};
       }),
       "one behind the other"},
      {"ListedTwice", archive_of(pickled_dict({name, tensor, name, tensor}), {kStorage}),
       "w is listed twice"},
      {"NoName", archive_of(pickled_dict({"K\1", tensor}), {kStorage}), "no name"},
      {"TensorAlone", archive_of(tensor, {kStorage}), "no dict of tensors"},
  };
}

class BadArchives : public ::testing::TestWithParam<BadArchive> {};
INSTANTIATE_TEST_SUITE_P(Files, BadArchives, ::testing::ValuesIn(bad_archives()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BadArchives, AreRefused) {
  const std::string message = error_of(GetParam().file);
  EXPECT_THAT(message, HasSubstr("weights.pth: "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(TorchArchive, EveryShorterFileIsRefused) {
  const std::string file = archive_of(kView);
  for (size_t length = 0; length < file.size(); ++length) {
    ASSERT_NE(error_of(file.substr(0, length)), "") << length;
  }
  const std::string sample = read_file(test_data("tiny-mixtral/pth") / "consolidated.00.pth");
  for (size_t length = 0; length < sample.size(); length += 9973) {
    ASSERT_NE(error_of(sample.substr(0, length)), "") << length;
  }
}

}  // namespace
}  // namespace octavo::test
