#include "tokenizer/spm_bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/pieces.h"
#include "tokenizer/utf8.h"

namespace pellucid::tokenizer {

namespace {

void escape_spaces(std::string_view text, std::string& escaped) {
  escaped.clear();
  for (const char c : text) {
    if (c == ' ') {
      escaped.append(kEscapedSpace);
    } else {
      escaped.push_back(c);
    }
  }
}

/// By score, best first; equal scores are equal priorities, so that the leftmost pair decides between them.
std::vector<uint32_t> rank_scores(const std::vector<float>& scores) {
  std::vector<float> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<uint32_t> priorities;
  priorities.reserve(scores.size());
  for (const float score : scores) {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), score, std::greater<>());
    priorities.push_back(static_cast<uint32_t>(at - sorted.begin()));
  }
  return priorities;
}

}  // namespace

Result<SpmBpe> SpmBpe::from(const Vocabulary& vocabulary) {
  SpmBpe bpe;
  bpe.byte_ids_ = vocabulary.byte_ids;
  bpe.unknown_ = vocabulary.unknown;
  const auto missing = std::find(bpe.byte_ids_.begin(), bpe.byte_ids_.end(), -1);
  if (missing != bpe.byte_ids_.end() && bpe.unknown_ < 0) {
    return Error{ErrorCode::kBadModel, "reading tokenizer.ggml.tokens",
                 fmt::format("byte 0x{:02X} has no token, and there is no unknown token",
                             missing - bpe.byte_ids_.begin())};
  }
  bpe.priorities_ = rank_scores(vocabulary.scores);
  bpe.index_ = TextIndex(vocabulary.texts, vocabulary.texts.size());
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.is_text(id)) continue;
    bpe.index_.insert(id);
    const std::string_view text = vocabulary.texts[id];
    for (size_t at = text.find(kEscapedSpace, 1); at != text.npos; at = text.find(kEscapedSpace, at + 1)) {
      bpe.joins_space_[static_cast<uint8_t>(text[at - 1])] = true;
    }
  }
  return bpe;
}

/// No merge crosses a place where no token has those two characters side by side, so the text may be cut
/// there without changing a single id. The places tried are those before a space: they turn a text into short
/// words, most of which the cache has seen.
size_t SpmBpe::word_end(std::string_view text) const {
  for (size_t at = text.find(' ', 1); at != text.npos; at = text.find(' ', at + 1)) {
    const char before = text[at - 1] == ' ' ? kEscapedSpace.back() : text[at - 1];
    if (!joins_space_[static_cast<uint8_t>(before)]) return at;
  }
  return text.size();
}

void SpmBpe::encode(std::string_view text, PieceCache& cache, Scratch& scratch,
                    std::vector<int32_t>& ids) const {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, word_end(text));
    cache.append(word, ids, [&] { encode_word(word, scratch, ids); });
    text.remove_prefix(word.size());
  }
}

void SpmBpe::encode_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const {
  escape_spaces(word, scratch.escaped);
  word = scratch.escaped;
  std::vector<Symbol>& symbols = scratch.merge.values;
  symbols.clear();
  for (size_t i = 0; i < word.size();) {
    const Utf8Step step = utf8_step(word.substr(i));
    const uint32_t length = step.kind == Utf8Step::kCharacter ? step.length : 1;
    symbols.push_back({word.data() + i, length});
    i += length;
  }
  merge_symbols(scratch.merge, *this);
  for (const Symbol symbol : symbols) {
    const std::string_view text(symbol.begin, symbol.length);
    if (const int32_t id = index_.find(text); id >= 0) {
      ids.push_back(id);
    } else {
      append_fallback(text, ids);
    }
  }
}

void SpmBpe::append_fallback(std::string_view text, std::vector<int32_t>& ids) const {
  const size_t start = ids.size();
  for (const char c : text) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id < 0) {
      ids.resize(start);
      return ids.push_back(unknown_);
    }
    ids.push_back(id);
  }
}

}  // namespace pellucid::tokenizer
