#include "tokenizer/special_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace pellucid::tokenizer {

namespace {

bool is_matched(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUserDefined || type == TokenType::kUnknown;
}

constexpr size_t kMaxSpecialBytes = size_t{4} << 20;  // also far below what an int32_t numbers

}  // namespace

Result<SpecialSplit> SpecialSplit::from(const Vocabulary& vocabulary) {
  size_t total = 0;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (is_matched(vocabulary.types[id])) total += vocabulary.texts[id].size();
  }
  if (total > kMaxSpecialBytes) {
    return Error{ErrorCode::kLimit, "reading tokenizer.ggml.tokens",
                 fmt::format("the special tokens have {} bytes, more than {}", total, kMaxSpecialBytes)};
  }
  return SpecialSplit(vocabulary);
}

SpecialSplit::SpecialSplit(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string, int32_t>> words;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view text = vocabulary.texts[id];
    if (!text.empty() && is_matched(vocabulary.types[id]))
      words.emplace_back(std::string(text.rbegin(), text.rend()), id);
  }
  std::sort(words.begin(), words.end());  // of equal texts the later id comes last, and wins
  lengths_.reserve(vocabulary.texts.size());
  for (const std::string_view text : vocabulary.texts) lengths_.push_back(text.size());

  std::vector<std::string_view> reversed;
  std::vector<int32_t> ids;
  for (const auto& [text, id] : words) {
    reversed.push_back(text);
    ids.push_back(id);
  }
  build_trie(reversed, ids, vocabulary);
  link_failures();
}

/// Level by level, so that states and edges come out in breadth-first order and without recursion: a state is
/// a range of the sorted words that share a prefix.
void SpecialSplit::build_trie(std::span<const std::string_view> reversed, std::span<const int32_t> ids,
                              const Vocabulary& vocabulary) {
  struct Range {
    size_t begin, end, depth;
  };
  std::vector<Range> ranges{{0, reversed.size(), 0}};
  states_.emplace_back();
  for (size_t s = 0; s < ranges.size(); ++s) {
    auto [begin, end, depth] = ranges[s];
    for (; begin < end && reversed[begin].size() == depth; ++begin) {
      if (vocabulary.types[ids[begin]] == TokenType::kUserDefined) states_[s].longest[0] = ids[begin];
      states_[s].longest[1] = ids[begin];
    }
    states_[s].first_edge = static_cast<int32_t>(edges_.size());
    while (begin < end) {
      const char byte = reversed[begin][depth];
      size_t stop = begin;
      while (stop < end && reversed[stop][depth] == byte) ++stop;
      edges_.push_back({static_cast<uint8_t>(byte), static_cast<int32_t>(states_.size())});
      states_.emplace_back();
      ranges.push_back({begin, stop, depth + 1});
      begin = stop;
    }
    states_[s].n_edges = static_cast<int32_t>(edges_.size()) - states_[s].first_edge;
  }
}

void SpecialSplit::link_failures() {
  for (int32_t e = 0; e < states_[0].n_edges; ++e) root_[edges_[e].byte] = edges_[e].target;
  for (size_t s = 1; s < states_.size(); ++s) {  // breadth first: shorter words are done
    State& state = states_[s];
    for (int kind = 0; kind < 2; ++kind) {
      if (state.longest[kind] < 0) state.longest[kind] = states_[state.failure].longest[kind];
    }
    for (int32_t e = state.first_edge; e < state.first_edge + state.n_edges; ++e) {
      states_[edges_[e].target].failure = next(state.failure, edges_[e].byte);
    }
  }
}

int32_t SpecialSplit::child(int32_t state, uint8_t byte) const {
  const auto begin = edges_.begin() + states_[state].first_edge;
  const auto end = begin + states_[state].n_edges;
  const auto edge = std::lower_bound(begin, end, byte, [](const Edge& e, uint8_t b) { return e.byte < b; });
  return edge != end && edge->byte == byte ? edge->target : -1;
}

int32_t SpecialSplit::next(int32_t state, uint8_t byte) const {
  while (state != 0) {
    if (const int32_t target = child(state, byte); target >= 0) return target;
    state = states_[state].failure;
  }
  return root_[byte];
}

std::vector<Fragment> SpecialSplit::split(std::string_view text, bool parse_special) const {
  struct Match {
    size_t begin;
    int32_t id;
  };
  std::vector<Match> matches;  // the longest at each place that has one, last place first
  int32_t state = 0;
  for (size_t i = text.size(); i-- > 0;) {
    state = next(state, static_cast<uint8_t>(text[i]));
    if (state == 0) continue;
    const int32_t id = states_[state].longest[parse_special ? 1 : 0];
    if (id >= 0) matches.push_back({i, id});
  }
  std::vector<Fragment> fragments;
  size_t done = 0;
  for (size_t m = matches.size(); m-- > 0;) {
    const auto [begin, id] = matches[m];
    if (begin < done) continue;
    if (begin > done) fragments.push_back({text.substr(done, begin - done), -1});
    fragments.push_back({text.substr(begin, lengths_[id]), id});
    done = begin + lengths_[id];
  }
  if (done < text.size()) fragments.push_back({text.substr(done), -1});
  return fragments;
}

}  // namespace pellucid::tokenizer
