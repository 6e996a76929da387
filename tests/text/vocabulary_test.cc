// The vocabulary read from the bytes is the one that the library sees, and bad bytes are refused.
#include "text/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octavo/error.hpp"
#include "support/files.h"
#include "support/piece_bytes.h"
#include "text/tokenizer.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

PieceKind kind_of(PieceType type) {
  switch (type) {
    case PieceType::kUnknown:
      return PieceKind::kUnknown;
    case PieceType::kControl:
      return PieceKind::kControl;
    case PieceType::kByte:
      return PieceKind::kByte;
    default:
      return PieceKind::kText;
  }
}

class RealVocabulary : public ::testing::TestWithParam<std::filesystem::path> {};
INSTANTIATE_TEST_SUITE_P(Files, RealVocabulary,
                         ::testing::Values(test_data("tokenizer/tokenizer.model.v1"),
                                           test_data("stories260K-moe8/tokenizer.model"),
                                           pocket_mixtral() / "tokenizer.model"));

TEST_P(RealVocabulary, IsWhatTheLibrarySees) {
  const std::string bytes = read_file(GetParam());
  const Vocabulary vocabulary = read_vocabulary(bytes, "model");
  EXPECT_TRUE(vocabulary.is_bpe);
  EXPECT_TRUE(vocabulary.adds_space);
  EXPECT_FALSE(vocabulary.removes_extra_spaces);
  const auto library = make_tokenizer(bytes, "model");
  ASSERT_EQ(vocabulary.pieces.size(), static_cast<size_t>(library->size()));
  for (int32_t id = 0; id < library->size(); ++id) {
    const VocabularyPiece& piece = vocabulary.pieces[static_cast<size_t>(id)];
    EXPECT_EQ(piece.name, library->piece(id).name) << id;
    EXPECT_EQ(kind_of(piece.type), library->piece(id).kind) << id;
  }
  // In a BPE model the score of a piece is its place in the order of merges.
  const size_t count = vocabulary.pieces.size();
  EXPECT_LT(vocabulary.pieces[count - 1].score, 0);
  EXPECT_EQ(vocabulary.pieces[count - 1].score, vocabulary.pieces[count - 2].score - 1);
}

TEST_P(RealVocabulary, CutShortIsRefusedOrWhole) {
  const std::string bytes = read_file(GetParam());
  for (size_t size = 0; size < 2000; ++size) {
    try {
      EXPECT_LE(read_vocabulary(bytes.substr(0, size), "model").pieces.size(), size / 4);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_THAT(error.what(), HasSubstr("model: "));
    }
  }
}

TEST(Vocabulary, TypesAndSettings) {
  std::string bytes = piece_field("plain", "");  // neither score nor type: 0 and normal
  for (int type = 1; type <= 6; ++type) bytes += piece_field("p", number_field(3, type));
  bytes += piece_field("scored", float_field(2, -2.5F));
  bytes += bytes_field(2, number_field(3, 2));
  bytes += bytes_field(3, number_field(3, 0) + number_field(4, 0));
  bytes += bytes_field(9, "of a later version");
  const Vocabulary vocabulary = read_vocabulary(bytes, "model");
  ASSERT_EQ(vocabulary.pieces.size(), 8u);
  EXPECT_EQ(vocabulary.pieces[0].name, "plain");
  EXPECT_EQ(vocabulary.pieces[0].type, PieceType::kNormal);
  EXPECT_EQ(vocabulary.pieces[0].score, 0);
  for (int type = 1; type <= 6; ++type) {
    EXPECT_EQ(static_cast<int>(vocabulary.pieces[static_cast<size_t>(type)].type), type);
  }
  EXPECT_EQ(vocabulary.pieces[7].score, -2.5F);
  EXPECT_TRUE(vocabulary.is_bpe);
  EXPECT_FALSE(vocabulary.adds_space);
  EXPECT_FALSE(vocabulary.removes_extra_spaces);
}

TEST(Vocabulary, Defaults) {
  const Vocabulary vocabulary = read_vocabulary(piece_field("a", "") + bytes_field(2, ""), "model");
  EXPECT_FALSE(vocabulary.is_bpe);  // a model that does not say is of the unigram kind
  EXPECT_TRUE(vocabulary.adds_space);
  EXPECT_TRUE(vocabulary.removes_extra_spaces);
}

TEST(Vocabulary, BadBytes) {
  const std::string endless(12, '\xFF');
  for (const std::string& bytes :
       {std::string(), std::string("no model"), endless, piece_field("a", number_field(3, 0)),
        piece_field("a", number_field(3, 7)), bytes_field(2, number_field(3, 2)), field_start(1, 9),
        std::string("\x0B")}) {
    EXPECT_THROW(read_vocabulary(bytes, "model"), Error) << ::testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace octavo::test
