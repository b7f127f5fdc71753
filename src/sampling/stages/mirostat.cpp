// Mirostat: cuts so that the surprise of what is drawn stays near a target (Basu et al. 2020,
// arXiv:2007.14966). Version 1 estimates Zipf's exponent and cuts at a rank; version 2 cuts at the surprise
// mu itself. The draw moves mu. measure: mu in bits; threshold: version 1 the rank k, version 2 the surprise
// of the last one kept.
#include <cmath>

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
double zipf_exponent(std::span<const double> logits) {
  double products = 0;
  double squares = 0;
  for (size_t i = 0; i + 1 < std::min(kLooksAt, logits.size()); ++i) {
    const auto rank = static_cast<double>(i + 1);
    const double t = log_positive((rank + 1) / rank);
    products += t * (logits[i] - logits[i + 1]);
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

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.mirostat;
  report.measure = mu_of(input);
  size_t kept = 1;
  if (input.settings.mirostat == 1) {
    const auto n = static_cast<double>(candidates.size());
    if (n > 1) report.threshold = rank_of(zipf_exponent(candidates.logits()), report.measure, n);
    report.threshold = std::floor(std::clamp(report.threshold, 1.0, n));
    kept = static_cast<size_t>(report.threshold);
  } else {
    while (kept < candidates.size() && candidates.surprise(kept) / kLn2 <= report.measure) ++kept;
    report.threshold = candidates.surprise(kept - 1) / kLn2;
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
