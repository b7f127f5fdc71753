#include "generation/phrase_bans.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::generation {
namespace {

constexpr const char* kSetting = "setting ban_phrases";

/// Texts are UTF-8, where U+FFFD stands for bytes that are none.
bool can_be_in_a_text(const std::string& phrase) {
  tokenizer::Utf8Stream stream;
  std::string characters = stream.push(phrase);
  characters += stream.finish();
  return characters == phrase && phrase.find("\xEF\xBF\xBD") == std::string::npos;
}

}  // namespace

Result<PhraseBans> PhraseBans::make(const sampling::Settings& settings, int first) {
  size_t n_bytes = 0;
  for (const std::string& phrase : settings.ban_phrases) {
    n_bytes += phrase.size();
    if (phrase.empty()) return Error{ErrorCode::kUsage, kSetting, "a phrase is empty: every text holds it"};
    if (can_be_in_a_text(phrase)) continue;
    return Error{ErrorCode::kUsage, kSetting,
                 fmt::format("{} is not UTF-8, as texts are", in_quotes(phrase))};
  }
  if (n_bytes > kMostBytes) {
    return Error{ErrorCode::kLimit, kSetting,
                 fmt::format("{} bytes of phrases are more than {}", n_bytes, kMostBytes)};
  }
  const bool ignore_case = settings.ban_case == sampling::LetterCase::kIgnore;
  return PhraseBans(std::make_shared<const PhraseMatcher>(settings.ban_phrases, ignore_case), first);
}

std::string PhraseBans::shown_phrase() const { return in_quotes(phrase_); }

bool PhraseBans::begin(std::string_view characters, size_t n_given) {
  const bool clean = !push(0, characters, characters.size());
  n_given_ = n_given;
  return clean;
}

void PhraseBans::hold(StepMark mark) {
  if (!held_.empty() && held_.back().mark.index == mark.index) return;  // it went back there
  held_.push_back({std::move(mark), place_, n_characters_, n_text(), 0, {}});
}

bool PhraseBans::push(int32_t token, std::string_view characters, size_t most) {
  if (!held_.empty()) held_.back().token = token;
  for (const char byte : characters) {
    place_ = matcher_->next(place_, byte);
    ++n_characters_;
    const size_t length = matcher_->ended(place_);
    if (length == 0 || n_characters_ > most) continue;
    met_ = n_characters_ - length;
    phrase_ = matcher_->phrase(place_);
    return true;
  }
  return false;
}

std::string PhraseBans::release(std::string_view text, bool all) {
  waiting_ += text;
  const size_t decided = n_characters_ - matcher_->pending(place_);
  const auto end_of_first = [this] { return held_.size() > 1 ? held_[1].begin : n_characters_; };
  while (!held_.empty() && end_of_first() <= decided) {
    held_.pop_front();
    n_redraws_ = 0;
  }
  const size_t most = all || held_.empty() ? n_text() : held_.front().n_text;
  std::string given = waiting_.substr(0, most - n_given_);
  waiting_.erase(0, given.size());
  n_given_ += given.size();
  return given;
}

Result<StepMark> PhraseBans::go_back() {
  size_t target = 0;
  while (target + 1 < held_.size() && held_[target + 1].begin <= met_) ++target;
  while (target < held_.size() && held_[target].mark.index < first_) ++target;
  if (target == held_.size()) {
    return Error{ErrorCode::kUsage, kSetting,
                 fmt::format("the tokens that are to be taken make {}", shown_phrase())};
  }
  if (++n_redraws_ > kMostRedraws) {
    return Error{ErrorCode::kLimit, kSetting,
                 fmt::format("no way round {} and the others after {} that led back to step {}",
                             shown_phrase(), kMostRedraws, held_[target].mark.index)};
  }
  held_.erase(held_.begin() + static_cast<ptrdiff_t>(target) + 1, held_.end());
  Held& step = held_.back();
  step.banned.push_back(step.token);
  place_ = step.place;
  n_characters_ = step.begin;
  waiting_.resize(step.n_text - n_given_);
  return step.mark;
}

}  // namespace pellucid::generation
