// Mirostat: cuts so that the surprise of what is drawn stays near a target (Basu et al. 2020,
// arXiv:2007.14966). Version 1 estimates Zipf's exponent and cuts at a rank; version 2 cuts at the surprise
// mu itself. The draw moves mu. measure: mu in bits; threshold: version 1 the rank k, version 2 the surprise
// of the last one kept.
#include <cmath>
#include <limits>
#include <optional>

#include "sampling/log.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr size_t kLooksAt = 100;  // the paper's m
constexpr double kLargestMu = 1e6;

constexpr std::array kSettings{
    SettingRow{
        .name = "mirostat",
        .field = &Settings::mirostat,
        .minimum = 0,
        .maximum = 2,
        .identity = 0,
        .help = "steer the surprise of the text: version 1 or 2; 0 is off. Best as the only cut",
    },
    SettingRow{
        .name = "mirostat_tau",
        .field = &Settings::mirostat_tau,
        .minimum = 0,
        .maximum = 1000,
        .identity = 5,
        .help = "surprise to aim for, in bits",
    },
    SettingRow{
        .name = "mirostat_eta",
        .field = &Settings::mirostat_eta,
        .minimum = 0,
        .maximum = 1,
        .identity = 0.1,
        .help = "how fast to correct it",
    },
};

double mu_of(const StageInput& input) {
  return input.state.mirostat_mu.value_or(2 * input.settings.mirostat_tau);
}

/// The slope of ln p over ln rank of the best, by least squares through the origin of differences (eq. 30).
double zipf_exponent(const Candidates& candidates) {
  double products = 0;
  double squares = 0;
  for (size_t i = 0; i + 1 < std::min(kLooksAt, candidates.size()); ++i) {
    const auto rank = static_cast<double>(i + 1);
    const double t = log_positive((rank + 1) / rank);
    products += t * (candidates.logit(i) - candidates.logit(i + 1));
    squares += t * t;
  }
  return squares > 0 ? products / squares : 0;
}

/// k of version 1 for an exponent s among n tokens (eq. 2); n where the formula has no finite value.
double rank_of(double s, double mu, double n) {
  const double epsilon = s - 1;
  const double zipf = std::abs(epsilon) < 1e-9 ? 1 / log_positive(n)  // the limit
                                               : epsilon / (1 - power(n, -epsilon));
  const double product = power(2.0, mu) * zipf;
  if (!(s > 1e-9) || !(product > 0)) return n;
  return power(product, 1 / s);
}

/// How many have a surprise of at most mu bits, the best always. None where `total` is not narrow enough to
/// know, or more have to be ranked for it.
std::optional<size_t> known_within(double mu, const Candidates& candidates, const Candidates::Bounds& total) {
  const bool exact = total.low == total.high;
  const double rounding = exact ? 0 : 1e-12;  // of the logarithms
  const double below = log_positive(total.low);
  const double above = log_positive(total.high);
  for (size_t kept = 1; kept < candidates.size(); ++kept) {
    if (kept == candidates.ranked()) return std::nullopt;
    const double distance = candidates.logit(0) - candidates.logit(kept);
    if ((distance + below) / kLn2 > mu + rounding) return kept;
    if (!((distance + above) / kLn2 <= mu - rounding)) return std::nullopt;
  }
  return candidates.size();
}

size_t within(double mu, const Candidates& candidates) {
  for (;;) {
    const auto kept = known_within(mu, candidates, candidates.total_weight_bounds());
    if (kept) return *kept;
    candidates.rank_more();
  }
}

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.mirostat;
  report.measure = mu_of(input);
  size_t kept = 1;
  if (input.settings.mirostat == 1) {
    const auto n = static_cast<double>(candidates.size());
    if (n > 1) report.threshold = rank_of(zipf_exponent(candidates), report.measure, n);
    report.threshold = std::floor(std::clamp(report.threshold, 1.0, n));
    kept = static_cast<size_t>(report.threshold);
  } else {
    kept = within(report.measure, candidates);
    report.threshold =
        input.watched ? candidates.surprise(kept - 1) / kLn2 : std::numeric_limits<double>::quiet_NaN();
  }
  candidates.keep_best(kept);
}

void advance(const Settings& settings, const StageReport& report, const Draw& draw, State& state) {
  const double surprise = -log_positive(std::max(draw.probability, 1e-300)) / kLn2;
  const double mu = report.measure - settings.mirostat_eta * (surprise - settings.mirostat_tau);
  state.mirostat_mu = std::clamp(mu, -kLargestMu, kLargestMu);
}

}  // namespace

constinit const StageRow kMirostatStage{
    .id = StageId::kMirostat,
    .name = "mirostat",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .run = run,
    .advance = advance,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, mu is {:.4f} bits", kept_of(report), report.measure);
        },
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("surprise over {:.4f}", report.measure); },
};

}  // namespace pellucid::sampling
