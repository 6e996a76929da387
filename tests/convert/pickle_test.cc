// The restricted unpickler: what torch.save writes is read, anything else is refused by name.
#include "convert/pickle.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octavo/error.hpp"
#include "support/little_endian.h"
#include "support/torch_archive.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;
using Kind = PickleValue::Kind;

const TorchView kView = {.elements = 6, .shape = {2, 3}, .strides = {3, 1}};

std::string error_of(const std::string& pickle) {
  PickleHeap heap(std::as_bytes(std::span(pickle)));
  try {
    read_pickle(heap);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
// Of a pickle that ends with this value.
std::string error_of_value(const std::string& value) { return error_of(whole_pickle(value)); }

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(Pickle, TensorIsBuilt) {
  for (int protocol = 2; protocol <= 5; ++protocol) {
    const std::string pickle = whole_pickle(
        pickled_dict({pickled_text("name"), pickled_tensor({.storage_type = "BFloat16Storage",
                                                            .key = "17",
                                                            .elements = int64_t{1} << 40,
                                                            .first = 100000,
                                                            .shape = {2, 1, 300},
                                                            .strides = {300, 1, 1}})}),
        protocol);
    PickleHeap heap(std::as_bytes(std::span(pickle)));
    EXPECT_TRUE(read_pickle(heap).is(Kind::kDict));
    ASSERT_EQ(heap.entries.size(), 1u);
    EXPECT_EQ(heap.text(heap.entries[0].key), "name");
    ASSERT_TRUE(heap.entries[0].value.is(Kind::kTensor));
    const PickledTensor& tensor = heap.tensors.at(0);
    EXPECT_EQ(tensor.first, 100000);
    ASSERT_EQ(tensor.shape.count, 3u);
    EXPECT_EQ(heap.tuple(tensor.shape)[2].number, 300);
    EXPECT_EQ(heap.tuple(tensor.strides)[0].number, 300);
    const PickledStorage& storage = heap.storages.at(0);
    EXPECT_EQ(storage.type, PickleGlobal::kBFloat16Storage);
    EXPECT_EQ(heap.text(storage.key), "17");
    EXPECT_EQ(storage.elements, int64_t{1} << 40);
  }
}

// One value of each operation that torch.save may write.
TEST(Pickle, EveryOperationIsKnown) {
  const std::string frame = op(0x95) + u64(1) + "N";
  const std::string named = pickled_stack_global("collections", "OrderedDict") + ")R";
  const std::string parameter = pickled_global("torch._utils", "_rebuild_parameter") +
                                pickled_tuple({pickled_tensor(kView), "\x88", named}) + "R";
  const std::string metadata = named + pickled_dict({pickled_text("_metadata"), named}) + "b";
  const std::string values[] = {"N",
                                "\x88",
                                "\x89",
                                op('J') + u32(7),
                                op('K') + u8(7),
                                op('M') + u16(7),
                                op(0x8A) + u8(0),
                                op(0x8A) + u8(3) + "abc",
                                "G12345678",
                                op(0x8C) + u8(1) + "t",
                                op('X') + u32(1) + "t",
                                op(0x8D) + u64(1) + "t",
                                "]",
                                "]Na",
                                "](NNe",
                                "](e",
                                ")",
                                "N\x85",
                                "NN\x86",
                                "NNN\x87",
                                "(NNNNt",
                                "}",
                                "}NNs",
                                "}(NNNNu",
                                "}(u",
                                "Nq" + u8(0) + "h" + u8(0) + "\x86",
                                "N\x94r" + u32(1) + "j" + u32(1) + "\x86",
                                frame,
                                named,
                                parameter,
                                metadata};
  for (const std::string& value : values) EXPECT_EQ(error_of_value(value), "") << value;
}

TEST(Pickle, IntegersHaveTheirSign) {
  const std::pair<std::string, int64_t> numbers[] = {
      {op('J') + u32(0xFFFFFFFE), -2},
      {op('J') + u32(0x7FFFFFFF), 0x7FFFFFFF},
      {op('K') + u8(255), 255},
      {op('M') + u16(65535), 65535},
      {op(0x8A) + u8(0), 0},
      {op(0x8A) + u8(1) + u8(0xFE), -2},
      {op(0x8A) + u8(5) + u32(0) + u8(1), int64_t{1} << 32},
      {op(0x8A) + u8(8) + u64(~uint64_t{0}), -1},
  };
  for (const auto& [text, expected] : numbers) {
    const std::string pickle = whole_pickle(text);
    PickleHeap heap(std::as_bytes(std::span(pickle)));
    EXPECT_EQ(read_pickle(heap).number, expected);
  }
}

TEST(Pickle, OtherGlobalsAreRefusedByName) {
  const std::pair<const char*, const char*> globals[] = {
      {"os", "system"},
      {"posix", "system"},
      {"builtins", "eval"},
      {"__builtin__", "getattr"},
      {"torch", "load"},
      {"torch._utils", "_rebuild_tensor"},
      {"collections", "deque"},
      {"collections", "OrderedDict.__init__"},
      {"numpy.core", "ndarray"},
      {"torch.serialization", "_get_layout"},
      {"", ""},
      {"torch.storage", "FloatStorage"},
  };
  for (const auto& [module, name] : globals) {
    const std::string expected =
        fmt::format("asks for the global {}.{}; only tensors are read", module, name);
    const std::string call = pickled_tuple({pickled_text("touch /")}) + "R";
    EXPECT_THAT(error_of_value(pickled_global(module, name) + call), HasSubstr(expected));
    EXPECT_THAT(error_of_value(pickled_stack_global(module, name) + call), HasSubstr(expected));
    EXPECT_THAT(error_of_value(fmt::format("(i{}\n{}\n", module, name)), HasSubstr(expected));
    // Even where nothing is done with it.
    EXPECT_THAT(error_of_value(op('N') + pickled_global(module, name)), HasSubstr(expected));
  }
  EXPECT_THAT(error_of_value(pickled_global("torch", "DoubleStorage")),
              HasSubstr("torch.DoubleStorage; only those in FloatStorage"));
  EXPECT_THAT(error_of_value(pickled_global("a\x1B[2J", "b\rc")), HasSubstr("a?[2J.b?c"));
}

struct BadPickle {
  const char* name;
  std::string value;
  const char* message;
};

std::string tensor_call(const std::vector<std::string>& arguments) {
  return pickled_global("torch._utils", "_rebuild_tensor_v2") + pickled_tuple(arguments) + "R";
}
std::string storage_id(const std::vector<std::string>& id) { return pickled_tuple(id) + "Q"; }

std::vector<BadPickle> bad_pickles() {
  const std::string dict = pickled_global("collections", "OrderedDict");
  const std::string type = pickled_global("torch", "HalfStorage"), text = pickled_text("x");
  const std::string name = pickled_text("storage");
  const std::string storage = storage_id({name, type, text, text, "K\4"});
  const std::string one = pickled_tuple({"K\1"}), minus = pickled_tuple({op('J') + u32(~0u)});
  const std::string nine = pickled_tuple(std::vector<std::string>(9, "K\1"));
  const std::string start("K\0", 2);
  return {
      {"NewObject", dict + ")\x81", "operation 0x81"},
      {"Extension", "\x82\1", "operation 0x82"},
      {"TextualPersistentId", "P1\n", "operation 0x50"},
      {"SecondProtocol", "\x80\2", "operation 0x80"},
      {"KnownInstance", "(icollections\nOrderedDict\n", "operation 0x69"},
      {"CallOfText", text + ")R", "builds no tensor"},
      {"CallOfTensor", pickled_tensor(kView) + ")R", "builds no tensor"},
      {"CallOfStorageType", type + pickled_tuple({"K\4"}) + "R", "builds no tensor"},
      {"CallWithoutTuple", dict + "]R", "builds no tensor"},
      {"DictWithArguments", dict + pickled_tuple({"]"}) + "R", "builds no tensor"},
      {"ParameterOfNothing",
       pickled_global("torch._utils", "_rebuild_parameter") + pickled_tuple({"N", "N", "N"}) + "R",
       "builds no tensor"},
      {"TensorOfNothing", tensor_call({"N", start, one, one, "N", "N"}), "no storage"},
      {"TensorOfTooLittle", tensor_call({storage, start, one, one, "N"}), "no storage"},
      {"NegativeStart", tensor_call({storage, op('J') + u32(~0u), one, one, "N", "N"}),
       "no storage"},
      {"NegativeSize", tensor_call({storage, start, minus, one, "N", "N"}), "no storage"},
      {"NegativeStride", tensor_call({storage, start, one, minus, "N", "N"}), "no storage"},
      {"FewStrides", tensor_call({storage, start, one, ")", "N", "N"}), "no storage"},
      {"NineDimensions", tensor_call({storage, start, nine, nine, "N", "N"}), "no storage"},
      {"ShapeOfText", tensor_call({storage, start, text, one, "N", "N"}), "no storage"},
      {"IdOfText", text + "Q", "outside"},
      {"IdOfAFile", storage_id({pickled_text("file"), type, text, text, "K\4"}), "outside"},
      {"IdWithoutType", storage_id({name, dict, text, text, "K\4"}), "outside"},
      {"IdOfNumber", storage_id({name, type, "K\1", text, "K\4"}), "outside"},
      {"IdOfNegativeLength", storage_id({name, type, text, text, op('J') + u32(~0u)}), "outside"},
      {"AttributesOfTensor", pickled_tensor(kView) + "}b", "no dict"},
      {"AttributesNoDict", "}Nb", "no dict"},
      {"ItemsOfTuple", ")NNs", "no dict"},
      {"OddItems", "}(NNNu", "no dict"},
      {"AppendToDict", "}Na", "no list"},
      {"NamelessGlobal", "NN\x93", "without a name"},
      {"EmptyStack", "R", "takes more"},
      {"NoMark", "}NNu", "takes more"},
      {"AcrossTheMark", "N(\x85", "takes more"},
      {"ItemsAcrossTheMark", "}(NNs", "takes more"},
      {"NothingToRemember", op('q') + u8(0), "takes more"},
      {"GapInTheMemo", "Nr" + u32(1), "memo has gaps"},
      {"HugeMemo", "Nr" + u32(~0u), "memo has gaps"},
      {"NotInTheMemo", op('h') + u8(0), "memo has no item 0"},
      {"TwoValues", "NN", "stops before its end"},
      {"MarkLeft", "N(", "stops before its end"},
      {"NoValue", "", "stops before its end"},
      {"BytesBehind", "N.N", "stops before its end"},
      {"LongNumber", op(0x8A) + u8(9) + "123456789", "out of range"},
      {"LongText", op('X') + u32(~0u), "cut short"},
      {"LongerText", op(0x8D) + u64(~uint64_t{0}), "cut short"},
      {"LongFrame", op(0x95) + u64(~uint64_t{0} - 4), "cut short"},
      {"EndlessName", "cos\nsystem", "cut short"},
  };
}

class BadPickles : public ::testing::TestWithParam<BadPickle> {};
INSTANTIATE_TEST_SUITE_P(Pickles, BadPickles, ::testing::ValuesIn(bad_pickles()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BadPickles, AreRefused) {
  EXPECT_THAT(error_of_value(GetParam().value), HasSubstr(GetParam().message));
}

TEST(Pickle, OtherProtocolsAreRefused) {
  for (const std::string& start :
       {std::string("("), std::string("N"), op(0x80) + u8(1), op(0x80) + u8(6)}) {
    EXPECT_THAT(error_of(start + "N."), HasSubstr("protocol 2 to 5")) << start;
  }
}

TEST(Pickle, EveryShorterPickleIsRefused) {
  const std::string pickle = whole_pickle(pickled_dict({pickled_text("a"), pickled_tensor(kView)}));
  for (size_t length = 0; length < pickle.size(); ++length) {
    EXPECT_NE(error_of(pickle.substr(0, length)), "") << length;
  }
}

// Values that share values share them here too; nothing recurses, nothing is copied.
TEST(Pickle, DeepAndSharedValuesCostNothing) {
  EXPECT_EQ(error_of_value(repeated("(", 300000) + repeated("t", 300000)), "");
  EXPECT_EQ(error_of_value(op('N') + repeated("\x85", 900000)), "");
  EXPECT_EQ(error_of_value(repeated("]", 400000) + repeated("a", 399999)), "");
  // Each tuple holds the one before it twice: 2^200 values for who unfolds them.
  std::string doubling = "N\x94";
  for (int i = 0; i < 200; ++i) doubling += op('h') + u8(static_cast<uint64_t>(i)) + "\x86\x94";
  EXPECT_EQ(error_of_value(doubling), "");
  // A dict in itself.
  EXPECT_EQ(error_of_value("}\x94N" + (op('h') + u8(0)) + "s"), "");
}

TEST(Pickle, LengthIsLimited) {
  EXPECT_THAT(error_of_value(repeated("N", 2000000)), HasSubstr("operations"));
  EXPECT_THAT(error_of_value(pickled_text(std::string(17 << 20, 'x'))), HasSubstr("too long"));
}

}  // namespace
}  // namespace octavo::test
