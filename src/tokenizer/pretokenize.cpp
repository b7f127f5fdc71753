#include "tokenizer/pretokenize.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <cstring>

#include "base/text.h"
#include "tokenizer/utf8.h"

namespace pellucid::tokenizer {

namespace {

// Members of character classes, named in braces in the patterns below. White_Space is spelled out because
// PCRE2's \s also has U+180E; what Unicode 16 has beyond Unicode 14 is, because pieces must not depend on the
// PCRE2 installed.
struct ClassName {
  std::string_view name;
  std::string_view members;
};
constexpr ClassName kClassNames[] = {
    {"{s}", R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"},
    {"{L}", R"(\p{L}\x{1C89}\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3})"
            R"(\x{10D4A}-\x{10D65}\x{10D6F}-\x{10D85}\x{10EC2}-\x{10EC4}\x{1123F}\x{11240})"
            R"(\x{11380}-\x{11389}\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3})"
            R"(\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F})"
            R"(\x{13441}-\x{13446}\x{13460}-\x{143FA}\x{16100}-\x{1611D}\x{16D40}-\x{16D6C}\x{18CFF})"
            R"(\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A}\x{1E030}-\x{1E06D}\x{1E4D0}-\x{1E4EB})"
            R"(\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})"},
    {"{N}", R"(\p{N}\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59})"
            R"(\x{16130}-\x{16139}\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3})"
            R"(\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})"},
    {"{P}", R"(\p{P}\x{1B4E}\x{1B4F}\x{1B7F}\x{10D6E}\x{113D4}\x{113D5}\x{113D7}\x{113D8})"
            R"(\x{11B00}-\x{11B09}\x{11BE1}\x{11F43}-\x{11F4F}\x{16D6D}-\x{16D6F}\x{1E5FF})"},
};

constexpr std::string_view kGpt2 =
    R"('(?:[stmd]|re|ve|ll)| ?[{L}]+| ?[{N}]+| ?[^{s}{L}{N}]+|[{s}]+(?![^{s}])|[{s}]+)";

// Contractions in either case, but not what else folds to those letters: U+017F is not an s here.
constexpr std::string_view kLlama3 =
    R"('(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n{L}{N}]?[{L}]+|[{N}]{1,3}| ?[^{s}{L}{N}]+[\r\n]*)"
    R"(|[{s}]*[\r\n]+|[{s}]+(?![^{s}])|[{s}]+)";

constexpr std::string_view kQwen2 =
    R"('(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n{L}{N}]?[{L}]+|[{N}]| ?[^{s}{L}{N}]+[\r\n]*)"
    R"(|[{s}]*[\r\n]+|[{s}]+(?![^{s}])|[{s}]+)";

struct Row {
  std::string_view name;
  std::array<std::string_view, 4> stages;  // empty: no more
  bool whole_pieces;
};

/// The names that converters write, and what they mean. `default` is what llama.cpp does for files that name
/// none.
constexpr Row kRows[] = {
    {"default", {"[{P}$+<=>^~|]+", kGpt2, "[{N}]+", "[0-9]{3}"}, false},
    {"gpt-2", {kGpt2}, false},
    {"smollm", {"[{N}]", kGpt2}, false},
    {"llama-bpe", {kLlama3}, true},
    {"llama3", {kLlama3}, true},
    {"llama-v3", {kLlama3}, true},
    {"qwen2", {kQwen2}, false},
    {"deepseek-r1-qwen", {kQwen2}, false},
};

std::string expand(std::string_view pattern) {
  std::string out(pattern);
  for (const ClassName& row : kClassNames) {
    for (size_t at = 0; (at = out.find(row.name, at)) != out.npos; at += row.members.size()) {
      out.replace(at, row.name.size(), row.members);
    }
  }
  return out;
}

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
    for (const std::string_view stage_pattern : row.stages) {
      if (stage_pattern.empty()) break;
      const std::string pattern = expand(stage_pattern);
      int code = 0;
      size_t offset = 0;
      Code stage(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
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
               fmt::format("pre-tokenizer {} is not one of: {}", in_quotes(name), known)};
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
