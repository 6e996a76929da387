// Which bytes may come next: a grammar's network walked with all its possibilities at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/grammar/grammar.h"

namespace octavo {

/// A state is the set of all places in the grammar where the text so far may have led, each with
/// its way out through the rules that are open. States are numbered as they are met and their
/// steps kept, so a text that stays in known states costs one look-up a byte. For one thread.
class GrammarMatcher {
 public:
  using State = int32_t;
  static constexpr State kDead = -1;  ///< no text of the grammar begins like this

  explicit GrammarMatcher(std::shared_ptr<const Grammar> grammar);

  /// Nothing matched yet. Until something is forgotten.
  static constexpr State kStart = 0;
  /// After one byte more. Throws Error(kUnsupported) for a grammar that can be read in too many
  /// ways at once.
  State next(State state, uint8_t byte) {
    const size_t step = static_cast<size_t>(state) * classes_ + grammar_->byte_class[byte];
    return steps_[step] != kUnknown ? steps_[step] : find_next(state, byte);
  }
  /// The text may end here.
  bool may_end(State state) const { return states_[static_cast<size_t>(state)]->front() == 0; }
  /// It must.
  bool must_end(State state) const {
    return may_end(state) && states_[static_cast<size_t>(state)]->size() == 1;
  }

  /// So much is remembered that forgetting would pay.
  bool is_large() const;
  /// Forgets all states but `kept`, and returns its new number.
  State forget_all_but(State kept);

 private:
  static constexpr State kUnknown = -2;

  /// A node to go on at, and the frame with what follows when its rule ends. Frame 0: the end.
  struct Frame {
    int32_t node, outer;
  };
  /// Numbers of frames whose nodes are kBytes, or 0; sorted.
  using Places = std::vector<int32_t>;
  struct PlacesHash {
    size_t operator()(const Places& places) const;
  };

  State find_next(State state, uint8_t byte);
  int32_t frame(int32_t node, int32_t outer);
  /// The frame to return to: a rule that ends with a call needs none of its own.
  int32_t frame_behind(int32_t node, int32_t outer) {
    return node == Grammar::kReturnNode ? outer : frame(node, outer);
  }
  /// Adds to `places` all that can be reached from a node without a byte.
  void close(int32_t node, int32_t outer, Places& places);
  State number_of(Places& places);
  void clear();

  std::shared_ptr<const Grammar> grammar_;
  size_t classes_;
  std::vector<Frame> frames_;
  std::unordered_map<uint64_t, int32_t> frame_numbers_;
  std::unordered_map<Places, State, PlacesHash> state_numbers_;
  std::vector<const Places*> states_;  ///< keys of state_numbers_
  std::vector<State> steps_;           ///< [states, classes]
  size_t numbers_ = 0;                 ///< places and steps of all states
  size_t kept_frames_ = 0;             ///< after the last forgetting
  std::vector<int32_t> pending_;       ///< of close
  std::vector<uint32_t> seen_;         ///< [frames], the round in which close met it
  uint32_t round_ = 0;
};

}  // namespace octavo
