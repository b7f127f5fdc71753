#include "bridge/guide.h"

#include "bridge/text.h"

namespace pellucid::bridge {
namespace {

constexpr size_t kWordBits = 32;

Error error_of(pellucid_status status, std::string what, pellucid_text why) {
  const ErrorCode code = status == PELLUCID_LIMIT         ? ErrorCode::kLimit
                         : status == PELLUCID_UNSUPPORTED ? ErrorCode::kUnsupported
                                                          : ErrorCode::kUsage;
  std::string words = take(why);
  return {code, std::move(what), words.empty() ? "this build is without the crate for it" : std::move(words)};
}

std::string_view name_of(GuideKind kind) {
  switch (kind) {
    case GuideKind::kJsonSchema:
      return "the JSON schema";
    case GuideKind::kRegex:
      return "the pattern";
    case GuideKind::kChoice:
      return "the choices";
    default:
      return "the grammar";
  }
}

Error copy_failed() { return {ErrorCode::kLimit, "cannot guide the text", "the guide could not be copied"}; }

std::vector<pellucid_view> views_of(std::span<const std::string> texts) {
  std::vector<pellucid_view> views;
  views.reserve(texts.size());
  for (const std::string& text : texts) views.push_back(view(text));
  return views;
}

}  // namespace

void GuideVocabulary::Free::operator()(pellucid_vocabulary* made) const { pellucid_vocabulary_free(made); }

Result<GuideVocabulary> GuideVocabulary::make(std::span<const std::string> tokens,
                                              std::span<const int32_t> end_ids) {
  const std::vector<pellucid_view> views = views_of(tokens);
  const std::vector<uint32_t> ends(end_ids.begin(), end_ids.end());
  pellucid_vocabulary* made = nullptr;
  pellucid_text error{};
  const pellucid_status status =
      pellucid_vocabulary_make(views.data(), views.size(), ends.data(), ends.size(), &made, &error);
  if (status != PELLUCID_OK) return error_of(status, "cannot guide texts of this vocabulary", error);
  return GuideVocabulary(made, tokens.size());
}

void Guide::Free::operator()(pellucid_guide* compiled) const { pellucid_guide_free(compiled); }

Result<Guide> Guide::compile(const GuideVocabulary& vocabulary, GuideKind kind,
                             std::span<const std::string> sources) {
  const std::vector<pellucid_view> views = views_of(sources);
  pellucid_guide* compiled = nullptr;
  pellucid_text error{};
  const pellucid_status status =
      pellucid_guide_compile(vocabulary.made_.get(), static_cast<pellucid_guide_kind>(kind), views.data(),
                             views.size(), &compiled, &error);
  if (status != PELLUCID_OK) {
    return error_of(status, "cannot follow " + std::string(name_of(kind)), error);
  }
  return Guide(compiled, vocabulary.size());
}

Guide::Guide(const Guide& other)
    : compiled_(other.compiled_ ? pellucid_guide_copy(other.compiled_.get()) : nullptr),
      n_tokens_(other.n_tokens_) {}

Guide& Guide::operator=(const Guide& other) {
  if (this != &other) *this = Guide(other);
  return *this;
}

Result<std::vector<uint32_t>> Guide::allowed() {
  if (!compiled_) return copy_failed();
  std::vector<uint32_t> words((n_tokens_ + kWordBits - 1) / kWordBits);
  pellucid_text error{};
  const pellucid_status status = pellucid_guide_allowed(compiled_.get(), words.data(), words.size(), &error);
  if (status != PELLUCID_OK) return error_of(status, "cannot guide the text", error);
  return words;
}

Result<void> Guide::take(int32_t token) {
  if (!compiled_) return copy_failed();
  pellucid_text error{};
  const pellucid_status status = pellucid_guide_take(compiled_.get(), static_cast<uint32_t>(token), &error);
  if (status != PELLUCID_OK) return error_of(status, "cannot guide the text", error);
  return {};
}

bool Guide::ended() const { return compiled_ && pellucid_guide_ended(compiled_.get()); }

}  // namespace pellucid::bridge
