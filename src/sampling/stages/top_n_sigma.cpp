// Top-n-sigma: who is within n standard deviations of the best logit (Tang et al. 2024, arXiv:2411.07641).
// measure: the standard deviation (of the population); threshold: the lowest logit kept.
#include <cmath>

#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "top_n_sigma",
    .aliases = {"top_nsigma"},
    .field = &Settings::top_n_sigma,
    .minimum = 0,
    .maximum = 1e6,
    .identity = 0,
    .help = "keep logits within this many standard deviations of the best; 0 is off",
}};

/// Of numbers whose best comes first; taken from there, so that huge ones don't overflow.
double standard_deviation(std::span<const double> logits) {
  const auto n = static_cast<double>(logits.size());
  double mean = 0;
  for (const double logit : logits) mean += (logit - logits.front()) / n;
  double square = 0;
  for (const double logit : logits) {
    const double off = logit - logits.front() - mean;
    square += off * off / n;
  }
  return std::sqrt(square);
}

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.top_n_sigma;
  const std::span<const double> logits = candidates.logits();
  report.measure = standard_deviation(logits);
  report.threshold = logits.front() - report.setting * report.measure;
  const auto first_below = std::ranges::find_if(logits, [&](double x) { return x < report.threshold; });
  candidates.keep_best(static_cast<size_t>(first_below - logits.begin()));
}

}  // namespace

constinit const StageRow kTopNSigmaStage{
    .id = StageId::kTopNSigma,
    .name = "top_n_sigma",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, logits from {:.6g}; sigma is {:.4g}", kept_of(report), report.threshold,
                             report.measure);
        },
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("logit below {:.6g}", report.threshold); },
};

}  // namespace pellucid::sampling
