// Each stage by itself on rows made to break it, against the textbook.
#include <gtest/gtest.h>

#include <bit>
#include <functional>

#include "repetitions.h"
#include "sampling/chain.h"
#include "sampling/step.h"
#include "sampling/support.h"
#include "sampling/textbook.h"

namespace pellucid::sampling {
namespace {

namespace tb = textbook;

using Expect = std::function<tb::Tokens(const tb::Tokens&, const Step&, const Settings&)>;
using Vary = std::function<void(Settings&, RandomSteps&)>;

/// Logits so large, or so nearly equal, that float64 loses what tells them apart.
bool extreme(const std::vector<float>& logits) {
  double least = INFINITY;
  double most = -INFINITY;
  for (const float x : logits) {
    if (std::isinf(x)) continue;
    least = std::min(least, static_cast<double>(x));
    most = std::max(most, static_cast<double>(x));
  }
  return std::max(-least, most) > 1e6 || (most > least && most - least < 1e-9);
}

/// Compares run_chain() with what the textbook makes of the step. A few cases may differ: those where a
/// threshold meets a probability to within the rounding of float64.
void agrees(const Vary& vary, const Expect& expect, bool extremes = true) {
  RandomSteps random(std::bit_cast<uint32_t>(2.5F));
  int differ = 0;
  constexpr int kCases = repetitions(4000);
  for (int i = 0; i < kCases; ++i) {
    Step step(random, 150);
    if (!extremes && extreme(step.logits)) continue;
    Settings settings = test::all_off();
    vary(settings, random);
    const tb::Tokens expected = expect(tb::tokens_of(step.logits), step, settings);
    const auto chain = run_chain(step.logits, settings, step.context, step.state);
    if (expected.empty()) {
      ASSERT_FALSE(chain.ok());
      ASSERT_EQ(chain.error().code, ErrorCode::kUsage);
      continue;
    }
    ASSERT_TRUE(chain.ok()) << chain.error().message();
    std::map<int32_t, double> found;
    const Candidates& left = chain.value().candidates;
    for (size_t rank = 0; rank < left.size(); ++rank) found[left.ids()[rank]] = left.probability(rank);
    const std::vector<tb::Real> p = tb::softmax(expected);
    bool same = found.size() == expected.size();
    for (size_t k = 0; same && k < p.size(); ++k) {
      const auto one = found.find(expected[k].id);
      same = one != found.end() && std::abs(one->second - static_cast<double>(p[k])) < 1e-9;
    }
    differ += same ? 0 : 1;
    ASSERT_LE(differ, kCases / 500) << "case " << i << ", " << step.logits.size() << " logits, kept "
                                    << left.size() << ", expected " << expected.size() << ": "
                                    << to_string(settings);
  }
}

TEST(Stages, MinP) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.min_p = pick(r, {1e-9, 0.01, 0.05, 0.3, 1});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) {
        const std::vector<tb::Real> p = tb::softmax(t);
        return tb::at_least(t, s.min_p * *std::max_element(p.begin(), p.end()));
      });
}

TEST(Stages, MinPAfterATemperature) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.min_p = pick(r, {1e-9, 0.01, 0.05, 0.3});
        s.temperature = pick(r, {0.01, 0.5, 3, 100});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) {
        const tb::Tokens scaled = tb::divided(t, s.temperature);
        const std::vector<tb::Real> p = tb::softmax(scaled);
        return tb::at_least(scaled, s.min_p * *std::max_element(p.begin(), p.end()));
      });
}

TEST(Stages, TypicalP) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.typical_p = pick(r, {0, 0.1, 0.3, 0.7, 0.95});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) { return tb::typical(t, s.typical_p); }, false);
}

TEST(Stages, EpsilonEtaAndTopA) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.epsilon_cutoff = pick(r, {1e-6, 1e-3, 0.1, 0.9});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) { return tb::at_least(t, s.epsilon_cutoff); });
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.eta_cutoff = pick(r, {1e-6, 1e-3, 0.1, 0.9});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) {
        const tb::Real eta = s.eta_cutoff;
        return tb::at_least(t, std::min(eta, std::sqrt(eta) * std::exp(-tb::entropy(tb::softmax(t)))));
      });
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.top_a = pick(r, {1e-3, 0.1, 0.5, 1});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) {
        const std::vector<tb::Real> p = tb::softmax(t);
        const tb::Real best = *std::max_element(p.begin(), p.end());
        return tb::at_least(t, s.top_a * best * best);
      });
}

TEST(Stages, TopH) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.top_h = pick(r, {0.05, 0.3, 0.61, 0.95});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) { return tb::top_h(t, s.top_h); });
}

TEST(Stages, TopNSigma) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.top_n_sigma = pick(r, {0.1, 0.5, 1, 3});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) { return tb::top_n_sigma(t, s.top_n_sigma); });
}

TEST(Stages, Xtc) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.xtc_probability = pick(r, {0.3, 0.5, 1});
        s.xtc_threshold = pick(r, {0, 0.01, 0.1, 0.5});
      },
      [](const tb::Tokens& t, const Step& step, const Settings& s) {
        const double coin = random_draw(step.context.seed, uint64_t{1} << 56, step.context.step).u;
        return tb::xtc(t, s.xtc_probability, s.xtc_threshold, coin);
      });
}

TEST(Stages, Mirostat) {
  const Vary vary = [](Settings& s, RandomSteps& r) {
    s.mirostat = 2;
    s.mirostat_tau = pick(r, {0.1, 1, 5});
  };
  const auto mu = [](const Step& step, const Settings& s) {
    return step.state.mirostat_mu.value_or(2 * s.mirostat_tau);
  };
  agrees(vary, [&](const tb::Tokens& t, const Step& step, const Settings& s) {
    return tb::mirostat_2(t, mu(step, s));
  });
}

TEST(Stages, MirostatOne) {
  RandomSteps random(8);
  for (int i = 0; i < 2000; ++i) {
    Step step(random, 2);
    std::vector<float> logits;  // near Zipf's law, for which version 1 is made
    const double exponent = 1.05 + static_cast<double>(random.below(200)) / 100;
    for (size_t rank = 1; rank <= 2 + random.below(300); ++rank) {
      logits.push_back(static_cast<float>(-exponent * std::log(static_cast<double>(rank)) +
                                          static_cast<double>(random.below(100)) / 1000));
    }
    Settings settings = test::all_off();
    settings.mirostat = 1;
    settings.mirostat_tau = pick(random, {0.5, 2, 3, 5});
    const double mu = step.state.mirostat_mu.value_or(2 * settings.mirostat_tau);
    const auto chain = run_chain(logits, settings, {}, step.state);
    ASSERT_TRUE(chain.ok());
    const size_t expected = tb::mirostat_1(tb::tokens_of(logits), mu).size();
    ASSERT_NEAR(static_cast<double>(chain.value().candidates.size()), static_cast<double>(expected), 0.5);
  }
}

TEST(Stages, AdaptiveP) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.adaptive_target = pick(r, {0, 0.1, 0.5, 1});
      },
      [](const tb::Tokens& t, const Step& step, const Settings& s) {
        return tb::adaptive(t, s, step.state);
      });
}

TEST(Stages, DynamicTemperature) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.temperature = pick(r, {0.5, 1, 2});
        s.dynatemp_range = pick(r, {0.1, 0.5, 3});
        s.dynatemp_exponent = pick(r, {0.5, 1, 2.5});
      },
      [](const tb::Tokens& t, const Step&, const Settings& s) { return tb::dynamic_temperature(t, s); },
      false);
}

TEST(Stages, Penalties) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.repetition_penalty = pick(r, {0.5, 1.1, 2});
        s.repetition_last_n = static_cast<int32_t>(r.below(70)) - 1;
        s.repetition_scope = r.below(2) == 0 ? Scope::kAll : Scope::kOutput;
        s.frequency_penalty = pick(r, {0, -0.5, 0.7});
        s.presence_penalty = pick(r, {0, -0.5, 1.5});
        s.penalty_last_n = static_cast<int32_t>(r.below(70)) - 1;
        s.penalty_scope = r.below(2) == 0 ? Scope::kAll : Scope::kOutput;
      },
      [](const tb::Tokens& t, const Step& step, const Settings& s) {
        const auto text = [&](Scope scope, int32_t n) {
          return tb::last_of(scope == Scope::kAll ? step.text : step.output(), n);
        };
        tb::Tokens tokens =
            tb::penalised(t, text(s.repetition_scope, s.repetition_last_n), [&](tb::Real x, tb::Real) {
              return x < 0 ? x * s.repetition_penalty : x / s.repetition_penalty;
            });
        return tb::penalised(
            tokens, text(s.penalty_scope, s.penalty_last_n),
            [&](tb::Real x, tb::Real count) { return x - s.frequency_penalty * count - s.presence_penalty; });
      },
      false);
}

TEST(Stages, NoRepeatNgram) {
  agrees([](Settings& s, RandomSteps& r) { s.no_repeat_ngram_size = 1 + static_cast<int32_t>(r.below(5)); },
         [](const tb::Tokens& t, const Step& step, const Settings& s) {
           return tb::no_repeat_ngram(t, step.text, static_cast<size_t>(s.no_repeat_ngram_size));
         });
}

TEST(Stages, Dry) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.dry_multiplier = pick(r, {0.1, 0.8});
        s.dry_base = pick(r, {1, 1.2, 1.75});
        s.dry_allowed_length = 1 + static_cast<int32_t>(r.below(4));
        s.dry_last_n = static_cast<int32_t>(r.below(70)) - 1;
      },
      [](const tb::Tokens& t, const Step& step, const Settings& s) {
        std::set<int32_t> breakers;
        for (const TokenIds& ids : step.breakers) breakers.insert(ids[0]);
        return tb::dry(t, tb::last_of(step.text, s.dry_last_n), s, breakers);
      },
      false);
}

TEST(Stages, DryEndsAtABreakerOfSeveralTokens) {
  const std::vector<int32_t> text{1, 2, 8, 9, 3, 4,
                                  5, 8, 9, 3, 4};  // 8 9 breaks; 3 4 repeats, and 5 followed
  const std::vector<TokenIds> breakers{{8, 9}};
  Settings settings = test::all_off();
  settings.dry_multiplier = 1;
  const std::vector<float> logits(10, 0.0F);
  Context context;
  context.tokens = text;
  const auto logit_of_five = [&] {
    const Candidates left = run_chain(logits, settings, context).value().candidates;
    return left.by_id()[5];
  };
  EXPECT_DOUBLE_EQ(logit_of_five(), -1.75 * 1.75);  // 8 9 3 4: four tokens, two of them free
  context.breakers = breakers;
  EXPECT_DOUBLE_EQ(logit_of_five(), -1);  // 3 4
}

TEST(Stages, LengthDecayAndMinimum) {
  agrees(
      [](Settings& s, RandomSteps& r) {
        s.length_decay_factor = pick(r, {0.9, 1.01, 1.2});
        s.length_decay_start = static_cast<int32_t>(r.below(20));
        s.min_new_tokens = static_cast<int32_t>(r.below(20));
        s.min_length = static_cast<int32_t>(r.below(40));
      },
      [](const tb::Tokens& t, const Step& step, const Settings& s) {
        const size_t length = step.output().size();
        const bool early = length < static_cast<size_t>(s.min_new_tokens) ||
                           step.text.size() < static_cast<size_t>(s.min_length);
        tb::Tokens tokens = tb::filtered(t, [&](size_t i) { return !early || t[i].id != step.ends[0]; });
        if (length <= static_cast<size_t>(s.length_decay_start)) return tokens;
        const tb::Real factor =
            std::pow(tb::Real{s.length_decay_factor}, static_cast<tb::Real>(length) - s.length_decay_start);
        return tb::penalised(tokens, step.ends,
                             [&](tb::Real x, tb::Real) { return x + std::abs(x) * (factor - 1); });
      },
      false);
}

TEST(Stages, BiasesBansAndForcedTokens) {
  const auto banned = [](const tb::Tokens& t, const std::set<int32_t>& ids) {
    return tb::filtered(t, [&](size_t i) { return !ids.contains(t[i].id); });
  };
  agrees([](Settings& s, RandomSteps&) { s.suppress_tokens = {0}; },
         [&](const tb::Tokens& t, const Step&, const Settings&) { return banned(t, {0}); });
  agrees([](Settings& s, RandomSteps&) { s.begin_suppress_tokens = {0}; },
         [&](const tb::Tokens& t, const Step& step, const Settings&) {
           return step.output().empty() ? banned(t, {0}) : t;
         });
  agrees([](Settings& s, RandomSteps&) { s.allowed_tokens = {0}; },
         [](const tb::Tokens& t, const Step&, const Settings&) {
           return tb::filtered(t, [&](size_t i) { return t[i].id == 0; });
         });
  agrees(
      [](Settings& s, RandomSteps&) {
        s.bad_words = {{0, 0}};
      },
      [&](const tb::Tokens& t, const Step& step, const Settings&) {
        return !step.text.empty() && step.text.back() == 0 ? banned(t, {0}) : t;
      });
  agrees(
      [](Settings& s, RandomSteps&) {
        s.forced_tokens = {0, 0, 0, 0};
      },
      [](const tb::Tokens& t, const Step& step, const Settings&) {
        if (step.output().size() >= 4) return t;
        const tb::Tokens here = tb::filtered(t, [&](size_t i) { return t[i].id == 0; });
        return here.empty() ? tb::Tokens{{0, 0}} : here;
      });
  agrees(
      [](Settings& s, RandomSteps&) {
        s.logit_bias = {{{0}, 1.5}, {{0, 0}, -3}, {{0}, 0.25}};
      },
      [](const tb::Tokens& t, const Step& step, const Settings&) {
        const bool after = !step.text.empty() && step.text.back() == 0;
        return tb::penalised(t, {0}, [&](tb::Real x, tb::Real) { return x + 1.75L - (after ? 3 : 0); });
      },
      false);
}

}  // namespace
}  // namespace pellucid::sampling
