#include "convert/pickle.h"

#include <cstring>
#include <string_view>

#include "convert/pickle_stack.h"
#include "convert/torch_globals.h"
#include "core/error.h"

namespace octavo {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kLongestPickle = size_t{16} << 20;
// A tensor takes about 30; what is built, and so the memory, stays below 100 bytes for each.
constexpr int64_t kMostOperations = int64_t{1} << 20;

// The operations that torch.save writes, by the letters that Python gives them.
enum Operation : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersistentId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kInstance = 'i',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyTuple = ')',
  kBinFloat = 'G',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8A,
  kShortBinUnicode = 0x8C,
  kBinUnicode8 = 0x8D,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

class PickleReader {
 public:
  explicit PickleReader(PickleHeap& heap) : heap_(heap), stack_(heap) {}

  PickleValue read() {
    if (heap_.pickle.size() > kLongestPickle) {
      fail(ErrorCode::kFormat, "a pickle of {} bytes is too long", heap_.pickle.size());
    }
    const bool starts = next<uint8_t>() == kProtocol;
    const int protocol = starts ? next<uint8_t>() : 0;
    if (protocol < 2 || protocol > 5) {
      fail(ErrorCode::kUnsupported, "the pickle is not of protocol 2 to 5");
    }
    for (int64_t operations = 0; operations < kMostOperations; ++operations) {
      const auto operation = next<uint8_t>();
      if (operation == kStop) return finish();
      run(operation);
    }
    fail(ErrorCode::kFormat, "the pickle has more than {} operations", kMostOperations);
  }

 private:
  // The next number, little-endian.
  template <class T>
  T next() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::span<const std::byte> take(uint64_t count) {
    if (count > heap_.pickle.size() - at_) fail(ErrorCode::kFormat, "the pickle is cut short");
    const auto bytes = heap_.pickle.subspan(at_, count);
    at_ += count;
    return bytes;
  }
  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(heap_.pickle.data()) + at_,
                                heap_.pickle.size() - at_);
    const size_t length = rest.find('\n');
    if (length == std::string_view::npos) fail(ErrorCode::kFormat, "the pickle is cut short");
    at_ += length + 1;
    return rest.substr(0, length);
  }

  void push_text(uint64_t count) {
    take(count);
    stack_.push({Kind::kText, static_cast<uint32_t>(count), static_cast<int64_t>(at_ - count)});
  }
  void push_long(size_t bytes) {
    if (bytes > sizeof(int64_t)) fail(ErrorCode::kFormat, "the pickle has a number out of range");
    const auto digits = take(bytes);
    uint64_t value = 0;
    std::memcpy(&value, digits.data(), bytes);
    const unsigned unused = 64 - 8 * static_cast<unsigned>(bytes);
    const bool negative = bytes > 0 && (digits.back() & std::byte{0x80}) != std::byte{0};
    if (negative && unused > 0) value |= ~uint64_t{0} << (64 - unused);
    stack_.push(Kind::kInt, static_cast<int64_t>(value));
  }
  void push_named_global() {
    const PickleValue name = stack_.pop(), module = stack_.pop();
    if (!name.is(Kind::kText) || !module.is(Kind::kText)) {
      fail(ErrorCode::kFormat, "the pickle asks for a global without a name");
    }
    stack_.push(find_global(heap_.text(module), heap_.text(name)));
  }
  void reduce() {
    const PickleValue arguments = stack_.pop(), function = stack_.pop();
    stack_.push(call_global(heap_, function, arguments));
  }

  PickleValue finish() {
    if (!stack_.is_done() || at_ != heap_.pickle.size()) {
      fail(ErrorCode::kFormat, "the pickle stops before its end");
    }
    return stack_.pop();
  }

  // Numbers, texts and empty things; false when it is none of these.
  bool run_value(uint8_t operation) {
    switch (operation) {
      case kNone:
        return stack_.push(Kind::kNone), true;
      case kNewTrue:
        return stack_.push(Kind::kBool, 1), true;
      case kNewFalse:
        return stack_.push(Kind::kBool, 0), true;
      case kBinInt:
        return stack_.push(Kind::kInt, next<int32_t>()), true;
      case kBinInt1:
        return stack_.push(Kind::kInt, next<uint8_t>()), true;
      case kBinInt2:
        return stack_.push(Kind::kInt, next<uint16_t>()), true;
      case kLong1:
        return push_long(next<uint8_t>()), true;
      case kBinFloat:
        return take(sizeof(double)), stack_.push(Kind::kFloat), true;
      case kShortBinUnicode:
        return push_text(next<uint8_t>()), true;
      case kBinUnicode:
        return push_text(next<uint32_t>()), true;
      case kBinUnicode8:
        return push_text(next<uint64_t>()), true;
      case kEmptyDict:
        return stack_.push(heap_.new_dict()), true;
      case kEmptyList:
        return stack_.push(Kind::kList), true;
      case kEmptyTuple:
        return stack_.make_tuple(0), true;
      default:
        return false;
    }
  }

  void run(uint8_t operation) {
    if (run_value(operation)) return;
    switch (operation) {
      case kFrame: {  // how much to read ahead; all of it is here already
        const auto count = next<uint64_t>();
        if (count > heap_.pickle.size() - at_) fail(ErrorCode::kFormat, "the pickle is cut short");
        return;
      }
      case kMark:
        return stack_.mark();
      case kTuple:
        return stack_.make_tuple(stack_.pop_mark());
      case kTuple1:
        return stack_.make_tuple(1);
      case kTuple2:
        return stack_.make_tuple(2);
      case kTuple3:
        return stack_.make_tuple(3);
      case kSetItem:
        return stack_.set_items(2);
      case kSetItems:
        return stack_.set_items(stack_.pop_mark());
      case kAppend:
        return stack_.append(1);
      case kAppends:
        return stack_.append(stack_.pop_mark());
      case kBinPut:
        return stack_.put(next<uint8_t>());
      case kLongBinPut:
        return stack_.put(next<uint32_t>());
      case kMemoize:
        return stack_.put();
      case kBinGet:
        return stack_.get(next<uint8_t>());
      case kLongBinGet:
        return stack_.get(next<uint32_t>());
      case kGlobal:
      case kInstance: {  // the latter is refused by whatever name it has
        const std::string_view module = line(), name = line();
        const PickleValue found = find_global(module, name);
        if (operation == kGlobal) return stack_.push(found);
        break;
      }
      case kStackGlobal:
        return push_named_global();
      case kReduce:
        return reduce();
      case kBuild:
        return stack_.build();
      case kBinPersistentId:
        return stack_.push(load_storage(heap_, stack_.pop()));
      default:
        break;
    }
    fail(ErrorCode::kUnsupported,
         "the pickle has the operation 0x{:02x}, which no pickle of tensors needs", operation);
  }

  PickleHeap& heap_;
  size_t at_ = 0;  // next byte of the pickle
  PickleStack stack_;
};

}  // namespace

PickleValue read_pickle(PickleHeap& heap) { return PickleReader(heap).read(); }

}  // namespace octavo
