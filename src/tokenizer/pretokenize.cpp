#include "tokenizer/pretokenize.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <cstring>

#include "tokenizer/utf8.h"

namespace pellucid::tokenizer {

namespace {

// \s spelled out as Unicode's White_Space: PCRE2's own \s also has U+180E.
#define PELLUCID_SPACE \
  "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"

constexpr const char* kGpt2 =
    "'(?:[stmd]|re|ve|ll)"
    "| ?\\p{L}+"
    "| ?\\p{N}+"
    "| ?[^" PELLUCID_SPACE
    "\\p{L}\\p{N}]+"
    "|[" PELLUCID_SPACE "]+(?![^" PELLUCID_SPACE
    "])"
    "|[" PELLUCID_SPACE "]+";

constexpr const char* kLlama3 =
    "'(?i:[stmd]|re|ve|ll)"
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
    "|\\p{N}{1,3}"
    "| ?[^" PELLUCID_SPACE
    "\\p{L}\\p{N}]+[\\r\\n]*"
    "|[" PELLUCID_SPACE
    "]*[\\r\\n]+"
    "|[" PELLUCID_SPACE "]+(?![^" PELLUCID_SPACE
    "])"
    "|[" PELLUCID_SPACE "]+";

constexpr const char* kQwen2 =
    "'(?i:[stmd]|re|ve|ll)"
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
    "|\\p{N}"
    "| ?[^" PELLUCID_SPACE
    "\\p{L}\\p{N}]+[\\r\\n]*"
    "|[" PELLUCID_SPACE
    "]*[\\r\\n]+"
    "|[" PELLUCID_SPACE "]+(?![^" PELLUCID_SPACE
    "])"
    "|[" PELLUCID_SPACE "]+";

#undef PELLUCID_SPACE

struct Row {
  std::string_view name;
  std::array<const char*, 4> stages;  // nullptr: no more
  bool whole_pieces;
};

/// The names that converters write, and what they mean. `default` is what llama.cpp does for files that name
/// none.
constexpr Row kRows[] = {
    {"default", {"[\\p{P}$+<=>^~|]+", kGpt2, "\\p{N}+", "[0-9]{3}"}, false},
    {"gpt-2", {kGpt2}, false},
    {"smollm", {"\\p{N}", kGpt2}, false},
    {"llama-bpe", {kLlama3}, true},
    {"llama3", {kLlama3}, true},
    {"llama-v3", {kLlama3}, true},
    {"qwen2", {kQwen2}, false},
    {"deepseek-r1-qwen", {kQwen2}, false},
};

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

/// The text itself where it is well-formed; else a copy of equal length in `copy` in which each ill-formed
/// byte is U+0001, which every pattern takes as it takes U+FFFD: neither letter nor number nor space.
std::string_view well_formed(std::string_view text, std::string& copy) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = utf8_step(text.substr(i));
    if (step.kind != Utf8Step::kCharacter) {
      if (copy.empty()) copy = text;
      std::memset(copy.data() + i, 1, step.length);
    }
    i += step.length;
  }
  return copy.empty() ? text : std::string_view(copy);
}

/// Appends to `ends` where the matches of `code` in text[begin, end), and the gaps between, end. The pattern
/// sees nothing outside. A PCRE2 error code, or 0.
int cut(const pcre2_code* code, pcre2_match_data* match, std::string_view text, size_t begin, size_t end,
        std::vector<size_t>& ends) {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data() + begin);
  const size_t size = end - begin;
  const size_t* span = pcre2_get_ovector_pointer(match);
  size_t done = 0;
  while (done < size) {
    const int found = pcre2_match(code, subject, size, done, PCRE2_NO_UTF_CHECK, match, nullptr);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) return found;
    if (span[0] > done) ends.push_back(begin + span[0]);
    ends.push_back(begin + span[1]);
    done = span[1];
  }
  if (done < size) ends.push_back(end);
  return 0;
}

}  // namespace

void Pretokenizer::FreeCode::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Result<Pretokenizer> Pretokenizer::from(std::string_view name) {
  std::string known;
  for (const Row& row : kRows) {
    known += (known.empty() ? "" : ", ") + std::string(row.name);
    if (row.name != name) continue;
    Pretokenizer pretokenizer;
    pretokenizer.whole_pieces_ = row.whole_pieces;
    for (const char* pattern : row.stages) {
      if (pattern == nullptr) break;
      int code = 0;
      size_t offset = 0;
      Code stage(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                               PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, nullptr));
      if (stage == nullptr) {
        return Error{ErrorCode::kUnsupported, fmt::format("compiling the pre-tokenizer \"{}\"", name),
                     fmt::format("PCRE2 error {} at {} of {}", code, offset, pattern)};
      }
      pcre2_jit_compile(stage.get(), PCRE2_JIT_COMPLETE);  // without a JIT the interpreter does it
      pretokenizer.stages_.push_back(std::move(stage));
    }
    return pretokenizer;
  }
  return Error{ErrorCode::kUnsupported, "reading tokenizer.ggml.pre",
               fmt::format("pre-tokenizer \"{}\" is not one of: {}", name, known)};
}

Result<std::vector<std::string_view>> Pretokenizer::split(std::string_view text) const {
  std::string copy;
  const std::string_view subject = well_formed(text, copy);
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(pcre2_match_data_create(1, nullptr));
  std::vector<size_t> ends{text.size()};
  std::vector<size_t> before;
  for (const Code& stage : stages_) {
    std::swap(ends, before);
    ends.clear();
    size_t begin = 0;
    for (const size_t end : before) {
      if (const int error = cut(stage.get(), match.get(), subject, begin, end, ends); error != 0) {
        return Error{ErrorCode::kLimit, "pre-tokenising", fmt::format("PCRE2 error {}", error)};
      }
      begin = end;
    }
  }
  std::vector<std::string_view> pieces;
  pieces.reserve(ends.size());
  size_t begin = 0;
  for (const size_t end : ends) {
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

}  // namespace pellucid::tokenizer
