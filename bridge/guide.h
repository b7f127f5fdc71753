// Structured output: a text that has to be JSON of a schema, match a pattern, be one of several choices or
// follow a grammar. A guide says which tokens may come next; it is llguidance's, by the Rust crate in this
// folder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

struct pellucid_vocabulary;
struct pellucid_guide;

namespace pellucid::bridge {

/// The tokens of a model, arranged for guides: some 100 ms of work for 50,000 of them. Movable; any number of
/// threads may use one.
class GuideVocabulary {
 public:
  /// `tokens[i]` are the bytes of token i. Of one that is not text they are 0xFF and its name, by which a
  /// grammar may ask for it ("<|im_end|>"); one without bytes is never allowed. `end_ids` end a text. Errors:
  /// kLimit (more tokens than guides can take), kUnsupported (the build has no guides).
  static Result<GuideVocabulary> make(std::span<const std::string> tokens, std::span<const int32_t> end_ids);

  [[nodiscard]] size_t size() const { return n_tokens_; }

 private:
  friend class Guide;
  struct Free {
    void operator()(pellucid_vocabulary* made) const;
  };
  GuideVocabulary(pellucid_vocabulary* made, size_t n_tokens) : made_(made), n_tokens_(n_tokens) {}

  std::unique_ptr<pellucid_vocabulary, Free> made_;
  size_t n_tokens_;
};

enum class GuideKind : uint8_t {
  kJsonSchema,  // draft 2020-12, as far as llguidance goes
  kRegex,       // of Rust's regex crate; it matches the whole text
  kChoice,
  kGrammar,  // llguidance's variant of Lark
};

/// A text under way: a value, whose copy goes on by itself. One caller at a time.
class Guide {
 public:
  /// Of a text that is still empty, from one source, or from the choices. Errors: kUsage (it is wrong, or no
  /// text satisfies it), kLimit (it is too long or takes too much work).
  static Result<Guide> compile(const GuideVocabulary& vocabulary, GuideKind kind,
                               std::span<const std::string> sources);

  Guide(const Guide& other);
  Guide& operator=(const Guide& other);
  Guide(Guide&&) noexcept = default;
  Guide& operator=(Guide&&) noexcept = default;
  ~Guide() = default;

  /// Bit i % 32 of word i / 32 says whether token i may come next: whether the text with its bytes is the
  /// beginning of one that satisfies the guide. Tokens that end a text may where it is complete; where it has
  /// ended, nothing else may. Errors: kLimit (too much work).
  Result<std::vector<uint32_t>> allowed();

  /// The text goes on with a token. Errors: kUsage (it is not allowed, and nothing has changed), kLimit.
  Result<void> take(int32_t token);

  /// True where the text is complete and nothing can follow.
  [[nodiscard]] bool ended() const;

 private:
  struct Free {
    void operator()(pellucid_guide* compiled) const;
  };
  Guide(pellucid_guide* compiled, size_t n_tokens) : compiled_(compiled), n_tokens_(n_tokens) {}

  std::unique_ptr<pellucid_guide, Free> compiled_;  // null where a copy failed
  size_t n_tokens_;
};

}  // namespace pellucid::bridge
