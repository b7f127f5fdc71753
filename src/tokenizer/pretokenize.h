// Cuts text into the pieces within which byte-level BPE merges: words, numbers, punctuation, whitespace, by
// the patterns that each family of models was trained with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

// NOLINTNEXTLINE(bugprone-reserved-identifier): PCRE2's own name
struct pcre2_real_code_8;

namespace pellucid::tokenizer {

/// Immutable: split() may run on many threads at once.
class Pretokenizer {
 public:
  /// The pre-tokenizer that `tokenizer.ggml.pre` names. Errors: kUnsupported, listing the names known.
  static Result<Pretokenizer> from(std::string_view name);

  /// The pieces of `text` in order; together they are `text`. Ill-formed UTF-8 counts as a symbol, byte by
  /// byte (as U+FFFD would), and keeps its bytes. Linear in the length of the text. Errors: kLimit where
  /// PCRE2 gives up.
  [[nodiscard]] Result<std::vector<std::string_view>> split(std::string_view text) const;

  /// A piece that is a token as a whole is not merged (`ignore_merges`, as Llama 3 was trained).
  [[nodiscard]] bool whole_pieces() const { return whole_pieces_; }

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, FreeCode>;

  /// Each stage cuts the pieces of the one before into its pattern's matches and what lies between.
  std::vector<Code> stages_;
  bool whole_pieces_ = false;
};

}  // namespace pellucid::tokenizer
