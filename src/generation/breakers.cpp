#include "generation/breakers.h"

#include <algorithm>
#include <string_view>

namespace pellucid::generation {
namespace {

/// Lengths of the beginnings of `text` that `piece` ends in; only text.size() where it contains all of it.
std::vector<size_t> overlaps(std::string_view piece, std::string_view text) {
  if (piece.find(text) != std::string_view::npos) return {text.size()};
  std::vector<size_t> lengths;
  for (size_t length = 1; length < text.size(); ++length) {
    if (piece.ends_with(text.substr(0, length))) lengths.push_back(length);
  }
  return lengths;
}

}  // namespace

Result<std::vector<sampling::TokenIds>> breaker_tokens(const tokenizer::Tokenizer& tokenizer,
                                                       std::span<const std::string> texts) {
  std::vector<sampling::TokenIds> breakers;
  for (const std::string& text : texts) {
    std::vector<sampling::TokenIds> tails;  // of the first n bytes, n = 1 ..
    for (size_t length = 1; length <= text.size(); ++length) {
      PELLUCID_TRY(tails.emplace_back(),
                   tokenizer.encode(std::string_view(text).substr(length), {.add_bos = false}));
    }
    for (int32_t id = 0; id < tokenizer.size(); ++id) {
      for (const size_t length : overlaps(tokenizer.piece(id), text)) {
        sampling::TokenIds& breaker = breakers.emplace_back(1, id);
        breaker.insert(breaker.end(), tails[length - 1].begin(), tails[length - 1].end());
      }
    }
  }
  std::ranges::sort(breakers, {}, [](const sampling::TokenIds& ids) { return std::pair(ids.back(), ids); });
  breakers.erase(std::unique(breakers.begin(), breakers.end()), breakers.end());
  return breakers;
}

}  // namespace pellucid::generation
