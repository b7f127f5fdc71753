// Banned phrases: the matcher against a search by hand; how far a text goes back; texts of a model that never
// hold a phrase; and that what is drawn instead has the distribution it should have.
#include "generation/phrase_bans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "generation/generate.h"
#include "generation/model_file.h"
#include "generation/scheduler.h"

namespace pellucid::generation {
namespace {

using Phrases = std::vector<std::string>;

std::string random_text(std::mt19937& random, size_t length, int letters) {
  std::string text;
  while (text.size() < length) text += static_cast<char>('a' + random() % static_cast<unsigned>(letters));
  return text;
}

TEST(PhraseMatcher, FindsWhatASearchByHandFinds) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    Phrases phrases;
    for (unsigned i = random() % 8 + 1; i > 0; --i)
      phrases.push_back(random_text(random, random() % 6 + 1, 3));
    const PhraseMatcher matcher(phrases, false);
    const std::string text = random_text(random, 60, 3);
    PhraseMatcher::Place place = PhraseMatcher::kStart;
    for (size_t end = 1; end <= text.size(); ++end) {
      place = matcher.next(place, text[end - 1]);
      const std::string_view before = std::string_view(text).substr(0, end);
      size_t shortest = 0;
      size_t pending = 0;
      for (const std::string& phrase : phrases) {
        if (before.ends_with(phrase) && (shortest == 0 || phrase.size() < shortest)) shortest = phrase.size();
        for (size_t n = 1; n <= std::min(phrase.size(), end); ++n) {
          if (before.ends_with(phrase.substr(0, n))) pending = std::max(pending, n);
        }
      }
      ASSERT_EQ(matcher.ended(place), shortest);
      ASSERT_EQ(matcher.pending(place), pending);
      if (shortest != 0) {
        EXPECT_EQ(matcher.phrase(place), before.substr(end - shortest));
      }
    }
  }
}

TEST(PhraseMatcher, MayIgnoreTheCaseOfLetters) {
  const PhraseMatcher matcher({"Hé!Z"}, true);
  PhraseMatcher::Place place = PhraseMatcher::kStart;
  for (const char byte : std::string("xhé!z")) place = matcher.next(place, byte);
  EXPECT_EQ(matcher.ended(place), 5u);
  EXPECT_EQ(matcher.phrase(place), "hé!z");
}

sampling::Settings banning(Phrases phrases) {
  sampling::Settings settings;
  settings.ban_phrases = std::move(phrases);
  return settings;
}

/// A step of a text that has no stop strings; what it gives out comes back.
std::string step(PhraseBans& bans, int index, int32_t token, const std::string& characters) {
  bans.hold({index, {}, TextTail({})});
  EXPECT_FALSE(bans.push(token, characters, SIZE_MAX));
  return bans.release(characters, false);
}

TEST(PhraseBans, GoesBackToTheStepWhoseTextThePhraseBeginsIn) {
  auto made = PhraseBans::make(banning({"bad thing"}), 0);
  ASSERT_TRUE(made.ok());
  PhraseBans& bans = made.value();
  EXPECT_EQ(step(bans, 0, 10, "so "), "so ");
  EXPECT_EQ(step(bans, 1, 11, "a b"), "");  // what begins in it may come back, so all of it is held
  EXPECT_EQ(step(bans, 2, 12, "ad "), "");
  EXPECT_EQ(step(bans, 3, 13, ""), "");
  bans.hold({4, {}, TextTail({})});
  EXPECT_TRUE(bans.push(14, "things", SIZE_MAX));
  EXPECT_EQ(bans.release("things", false), "");
  const auto back = bans.go_back();
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value().index, 1);
  EXPECT_EQ(bans.phrase(), "bad thing");
  bans.hold({1, {}, TextTail({})});
  EXPECT_EQ(std::vector<int32_t>(bans.banned().begin(), bans.banned().end()), std::vector<int32_t>{11});
  EXPECT_FALSE(bans.push(15, "a c", SIZE_MAX));
  EXPECT_EQ(bans.release("a c", false), "a c");
  EXPECT_EQ(step(bans, 2, 16, "ab"), "");
  EXPECT_EQ(step(bans, 3, 17, "x"), "abx");
}

TEST(PhraseBans, TextBehindAStopStringDoesNotCount) {
  auto made = PhraseBans::make(banning({"bad"}), 0);
  ASSERT_TRUE(made.ok());
  made.value().hold({0, {}, TextTail({})});
  EXPECT_FALSE(made.value().push(1, "xxbad", 4));
  auto other = PhraseBans::make(banning({"bad"}), 0);
  other.value().hold({0, {}, TextTail({})});
  EXPECT_TRUE(other.value().push(1, "xxbad", 5));
}

TEST(PhraseBans, GiveUpWhereThereIsNoWayRound) {
  auto made = PhraseBans::make(banning({"ab"}), 0);
  ASSERT_TRUE(made.ok());
  PhraseBans& bans = made.value();
  int redraws = 0;
  Result<StepMark> back = StepMark{0, {}, TextTail({})};
  for (; back.ok() && redraws < 5000; ++redraws) {
    bans.hold({0, {}, TextTail({})});
    ASSERT_TRUE(bans.push(redraws, "ab", SIZE_MAX));
    bans.release("", false);
    back = bans.go_back();
  }
  EXPECT_EQ(redraws, PhraseBans::kMostRedraws + 1);
  EXPECT_EQ(back.error().code, ErrorCode::kLimit);
}

TEST(PhraseBans, RefuseWhatNoTextHolds) {
  const auto refused = [](Phrases phrases) {
    const auto made = PhraseBans::make(banning(std::move(phrases)), 0);
    return made.ok() ? std::optional<ErrorCode>() : made.error().code;
  };
  EXPECT_EQ(refused({"good", ""}), ErrorCode::kUsage);
  EXPECT_EQ(refused({"half \xC3"}), ErrorCode::kUsage);
  EXPECT_EQ(refused({"\xFF"}), ErrorCode::kUsage);
  EXPECT_EQ(refused({"one \xEF\xBF\xBD"}), ErrorCode::kUsage);
  EXPECT_EQ(refused({std::string(5 << 20, 'x')}), ErrorCode::kLimit);
  EXPECT_EQ(refused({std::string(100'000, 'x')}), std::nullopt);
  Phrases many;
  for (int i = 0; i < 10'000; ++i) many.push_back("phrase " + std::to_string(i));
  EXPECT_EQ(refused(many), std::nullopt);
}

class Banning : public ::testing::Test {
 protected:
  Banning() : file_({}) {
    auto loaded = Engine::load(file_.path(), {.n_threads = 1});
    EXPECT_TRUE(loaded.ok());
    engine_ = std::move(loaded).value();
  }

  /// Texts of a few letters, in which phrases are met often.
  static GenerateOptions options(uint64_t seed, Phrases phrases, int max_tokens = 40) {
    GenerateOptions options;
    options.seed = seed;
    options.max_tokens = max_tokens;
    options.settings.temperature = 3;
    options.settings.allowed_tokens = {'a', 'b', 'c', 'd', 'B', ' '};
    options.settings.ban_phrases = std::move(phrases);
    return options;
  }

  Result<Generation> run(const GenerateOptions& options, const StepObserver& observer = {}) {
    Sequence sequence = engine_->new_sequence();
    auto done = generate(*engine_, sequence, prompt_, options, observer);
    if (done.ok()) {
      EXPECT_EQ(sequence.tokens.size(), prompt_.size() + done.value().tokens.size() - 1);
    }
    return done;
  }

  /// The distribution after `tokens`, from the raw logits of those that are allowed.
  std::map<int32_t, double> distribution(std::vector<int32_t> tokens, const sampling::Settings& settings) {
    const std::vector<float> all = test::all_logits(*engine_, tokens);
    const float* const row = all.data() + all.size() - static_cast<size_t>(engine_->n_vocab());
    std::map<int32_t, double> p;
    double total = 0;
    for (const int32_t id : settings.allowed_tokens)
      total += p[id] = std::exp(row[id] / settings.temperature);
    for (auto& [id, share] : p) share /= total;
    return p;
  }

  test::ModelFile file_;
  std::unique_ptr<Engine> engine_;
  std::vector<int32_t> prompt_{72, 101, 108, 108, 111};
};

TEST_F(Banning, NoTextHoldsAPhraseAndOneThatNeverMetOneIsTheSame) {
  std::mt19937 random(3);
  int met = 0;
  for (uint64_t seed = 0; seed < 32; ++seed) {
    const Generation plain = run(options(seed, {})).value();
    Phrases phrases{random_text(random, 3, 4), plain.text.substr(random() % 20, random() % 4 + 2)};
    if (seed % 3 == 0) phrases.push_back(plain.text.substr(30, 9));
    bool holds = false;
    for (const std::string& phrase : phrases) holds |= plain.text.find(phrase) != std::string::npos;
    met += holds ? 1 : 0;
    std::string streamed;
    std::vector<int32_t> tokens;  // as an observer knows them
    const auto observe = [&](const StepView& view) {
      streamed += view.text;
      tokens.resize(tokens.size() - static_cast<size_t>(view.taken_back));
      EXPECT_EQ(view.index, static_cast<int>(tokens.size()));
      EXPECT_EQ(view.phrase.empty(), view.taken_back == 0);
      tokens.push_back(view.token);
      for (const std::string& phrase : phrases) EXPECT_EQ(streamed.find(phrase), std::string::npos);
      return true;
    };
    GenerateOptions banned = options(seed, phrases);
    if (seed % 4 == 1) banned.settings.guidance_scale = 1.5;
    const auto done = run(banned, observe);
    ASSERT_TRUE(done.ok()) << done.error().message();
    for (const std::string& phrase : phrases) EXPECT_EQ(done.value().text.find(phrase), std::string::npos);
    EXPECT_EQ(streamed, done.value().text);
    EXPECT_EQ(tokens, done.value().tokens);
    EXPECT_EQ(tokens.size(), 40u);
    if (seed % 4 != 1) {
      EXPECT_EQ(done.value().tokens == plain.tokens, !holds);
    }
    banned.speculate = true;
    EXPECT_EQ(run(banned).value().tokens, tokens);
  }
  EXPECT_GE(met, 20);
}

TEST_F(Banning, CaseMayBeIgnored) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    GenerateOptions banned = options(seed, {"bB", "CA"});
    banned.settings.ban_case = sampling::LetterCase::kIgnore;
    const std::string text = run(banned).value().text;
    for (const char* phrase : {"bB", "BB", "bb", "Bb", "ca"}) EXPECT_EQ(text.find(phrase), std::string::npos);
  }
}

TEST_F(Banning, WhatThePromptEndsWithIsNoPartOfAPhrase) {
  prompt_ = {'a', 'b'};
  GenerateOptions banned = options(1, {"abc", "cc"}, 1);
  banned.settings.allowed_tokens = {'c'};
  EXPECT_EQ(run(banned).value().text, "c");
}

TEST_F(Banning, GreedyTakesTheNextBest) {
  GenerateOptions greedy = options(1, {}, 1);
  greedy.settings.temperature = 0;
  std::multimap<double, int32_t, std::greater<>> best;
  GenerateOptions flat = greedy;
  flat.settings.temperature = 1;
  for (const auto& [id, p] : distribution(prompt_, flat.settings)) best.emplace(p, id);
  Phrases phrases;
  for (const auto& [p, id] : best) {
    EXPECT_EQ(run(greedy).value().tokens, std::vector<int32_t>{id});
    phrases.emplace_back(1, static_cast<char>(id));
    greedy.settings.ban_phrases = phrases;
  }
  const auto none_left = run(greedy);
  ASSERT_FALSE(none_left.ok());
  EXPECT_EQ(none_left.error().code, ErrorCode::kUsage);
  EXPECT_NE(none_left.error().message().find("step 0: setting"), std::string::npos)
      << none_left.error().message();
  EXPECT_NE(none_left.error().message().find("'" + phrases.back() + "'"), std::string::npos);
}

/// The sum of (seen - expected)^2 / expected.
double chi_square(const std::map<std::vector<int32_t>, int>& seen,
                  const std::map<std::vector<int32_t>, double>& expected, int n) {
  double sum = 0;
  for (const auto& [tokens, p] : expected) {
    const auto found = seen.find(tokens);
    const double count = found == seen.end() ? 0 : found->second;
    sum += (count - n * p) * (count - n * p) / (n * p);
  }
  return sum;
}

/// At T = 1 on all allowed tokens, so that the distribution is the softmax of their logits.
GenerateOptions untruncated(GenerateOptions options) {
  options.settings.temperature = 1;
  options.settings.top_k = 0;
  options.settings.top_p = 1;
  return options;
}

TEST_F(Banning, OthersKeepTheirSharesExactly) {
  const GenerateOptions all = untruncated(options(0, {"a", "B"}, 1));
  std::map<std::vector<int32_t>, double> expected;
  const auto p = distribution(prompt_, all.settings);
  const double left = 1 - p.at('a') - p.at('B');
  for (const auto& [id, share] : p) {
    if (id != 'a' && id != 'B') expected[{id}] = share / left;
  }
  constexpr int kTexts = 1500;
  std::map<std::vector<int32_t>, int> seen;
  for (int i = 0; i < kTexts; ++i) {
    GenerateOptions one = all;
    one.seed = static_cast<uint64_t>(i);
    ++seen[run(one).value().tokens];
  }
  EXPECT_EQ(seen.size(), expected.size());
  EXPECT_LT(chi_square(seen, expected, kTexts), 21.1);  // 3 degrees of freedom: one time in 10,000
}

TEST_F(Banning, AStepThatWentBackIsDrawnFromWhatIsLeftThere) {
  const GenerateOptions all = untruncated(options(0, {"ab"}, 2));
  const auto first = distribution(prompt_, all.settings);
  std::map<std::vector<int32_t>, double> expected;
  const auto after = [&](int32_t id) {
    std::vector<int32_t> tokens = prompt_;
    tokens.push_back(id);
    return distribution(tokens, all.settings);
  };
  const double back = first.at('a') * after('a').at('b');  // how often "ab" is met
  for (const auto& [id, p] : first) {
    const double share = id == 'a' ? p : p + back * p / (1 - first.at('a'));
    for (const auto& [second, q] : after(id)) {
      if (id != 'a' || second != 'b') expected[{id, second}] = share * q;
    }
  }
  double total = 0;
  for (const auto& [tokens, p] : expected) total += p;
  ASSERT_NEAR(total, 1, 1e-6);
  constexpr int kTexts = 2500;
  std::map<std::vector<int32_t>, int> seen;
  for (int i = 0; i < kTexts; ++i) {
    GenerateOptions one = all;
    one.seed = static_cast<uint64_t>(i) + 100'000;
    ++seen[run(one).value().tokens];
  }
  for (const auto& [tokens, count] : seen) EXPECT_TRUE(expected.contains(tokens)) << count;
  EXPECT_LT(chi_square(seen, expected, kTexts), 76.2);  // 34 degrees of freedom: one time in 20,000
}

TEST_F(Banning, StopStringsAreThoseOfTheTextThatStays) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    GenerateOptions banned = options(seed, {"bc", "dd a", "aB"});
    banned.stop = {"ba", "cd d", "  "};
    std::string streamed;
    const auto done = run(banned, [&](const StepView& view) {
      streamed += view.text;
      return true;
    });
    ASSERT_TRUE(done.ok());
    std::string whole;  // of the tokens
    for (const int32_t token : done.value().tokens) whole += static_cast<char>(token);
    size_t end = std::string::npos;
    for (const std::string& stop : banned.stop) end = std::min(end, whole.find(stop));
    EXPECT_EQ(done.value().text, whole.substr(0, end));
    EXPECT_EQ(done.value().finish_reason,
              end == std::string::npos ? FinishReason::kLength : FinishReason::kStop);
    EXPECT_EQ(streamed, done.value().text);
    for (const std::string& phrase : banned.settings.ban_phrases) {
      EXPECT_EQ(streamed.find(phrase), std::string::npos);
    }
  }
}

TEST_F(Banning, AStructureAndAStateGoBackToo) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    GenerateOptions banned = options(seed, {"ab", "cb", "dda"});
    banned.settings.allowed_tokens = {};
    banned.settings.regex = "([abc]{2}d){6}";
    banned.settings.mirostat = 2;
    std::vector<sampling::State> states;
    const auto done = run(banned, [&](const StepView& view) {
      states.resize(static_cast<size_t>(view.index));
      states.push_back(view.state);
      return true;
    });
    ASSERT_TRUE(done.ok()) << done.error().message();
    const std::string& text = done.value().text;
    ASSERT_EQ(text.size(), 18u);
    for (size_t i = 0; i < text.size(); ++i) EXPECT_EQ(text[i] == 'd', i % 3 == 2);
    for (const std::string& phrase : banned.settings.ban_phrases)
      EXPECT_EQ(text.find(phrase), std::string::npos);
    for (size_t i = 1; i < states.size(); ++i) EXPECT_GE(states[i].redraws, states[i - 1].redraws);
  }
}

TEST_F(Banning, ATextBegunGoesOnAsItWould) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<sampling::State> states;
    std::vector<std::vector<int32_t>> banned_at;
    const GenerateOptions banned = options(seed, {"ab", "bd", "c a", "dB"});
    const auto whole = run(banned, [&](const StepView& view) {
      states.resize(static_cast<size_t>(view.index));
      banned_at.resize(static_cast<size_t>(view.index));
      states.push_back(view.state);
      banned_at.emplace_back(view.context.banned.begin(), view.context.banned.end());
      return true;
    });
    ASSERT_TRUE(whole.ok());
    for (size_t at = 1; at < states.size(); at += 7) {
      GenerateOptions rest = banned;
      const auto& tokens = whole.value().tokens;
      rest.begun = {
          {tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(at)}, states[at], {}, banned_at[at]};
      std::vector<int32_t> before = prompt_;
      before.insert(before.end(), rest.begun.tokens.begin(), rest.begun.tokens.end());
      Sequence sequence = engine_->new_sequence();
      EXPECT_EQ(generate(*engine_, sequence, before, rest).value().tokens, tokens);
    }
  }
}

TEST_F(Banning, WhatIsThereOrTakenIsNotDrawnAgain) {
  GenerateOptions banned = options(1, {"ab"});
  banned.begun.take = {'a', 'b'};
  EXPECT_EQ(run(banned).error().code, ErrorCode::kUsage);
  banned.begun.take = {'a'};
  banned.settings.allowed_tokens = {'b', 'c'};
  EXPECT_EQ(run(banned).value().text.substr(0, 2), "ac");
  banned.begun = {{'a', 'b'}, {}, {}, {}};
  Sequence sequence = engine_->new_sequence();
  const auto refused = generate(*engine_, sequence, std::vector<int32_t>{72, 'a', 'b'}, banned);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
}

TEST_F(Banning, TextsThatShareTheirPassesGoBackAsTheyDoAlone) {
  Scheduler scheduler(*engine_, {});
  constexpr int kTexts = 12;
  std::vector<std::optional<Generation>> together(kTexts);
  int taken_back = 0;
  const auto own = [&](int i) {
    GenerateOptions banned = options(static_cast<uint64_t>(i), {"ab", "c", "fgh"});
    banned.max_tokens = 40 + i;
    return banned;
  };
  for (int i = 0; i < kTexts; ++i) {
    scheduler.submit(
        {prompt_, own(i),
         [&](const StepView& step) {
           taken_back += step.taken_back;
           return true;
         },
         [&, i](Result<Generation> done) { together[static_cast<size_t>(i)] = std::move(done).value(); }});
  }
  while (scheduler.step()) {
  }
  EXPECT_GT(taken_back, kTexts);
  for (int i = 0; i < kTexts; ++i) {
    const Generation alone = run(own(i)).value();
    ASSERT_TRUE(together[static_cast<size_t>(i)]);
    EXPECT_EQ(together[static_cast<size_t>(i)]->tokens, alone.tokens) << i;
    EXPECT_EQ(together[static_cast<size_t>(i)]->text, alone.text) << i;
  }
}

}  // namespace
}  // namespace pellucid::generation
