#include "cli/explain_terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sampling/registry.h"

namespace pellucid::cli {

std::string spoken(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string grouped(size_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3;) text.insert(i -= 3, 1, ',');
  return text;
}

std::string with_groups(std::string_view sentence) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string text;
  for (size_t i = 0; i < sentence.size();) {
    size_t end = i;
    while (end < sentence.size() && is_digit(sentence[end])) ++end;
    const bool fraction = i > 0 && sentence[i - 1] == '.';
    for (size_t left = end - i; left > 0; --left) {
      text += sentence[i++];
      if (!fraction && left % 3 == 1 && left > 1) text += ',';
    }
    if (i < sentence.size()) text += sentence[i++];
  }
  return text;
}

std::string percent(double probability) {
  const double value = 100 * probability;
  if (value > 0 && value < 0.05) return "< 0.1 %";
  if (value < 100 && value >= 99.95) return "> 99.9 %";
  return fmt::format("{:.1f} %", value);
}

std::string number(double value) {
  const double size = std::abs(value);
  if (size >= 1e5 || (size > 0 && size < 5e-5)) return fmt::format("{:.2e}", value);
  return fmt::format("{:.4f}", value);
}

double final_probability(const sampling::CandidateHistory& candidate) {
  if (!candidate.survived()) return 0;
  return (candidate.after.empty() ? candidate.before : candidate.after.back())->probability;
}

std::string removal(const sampling::WatchedChain& chain, const sampling::CandidateHistory& candidate) {
  if (!candidate.before) return "ruled out before the chain";
  const std::optional<size_t> by = candidate.removed_by();
  if (!by) return {};
  const sampling::StageReport& report = chain.result.reports[*by];
  const size_t rank = (*by == 0 ? candidate.before : candidate.after[*by - 1])->rank;
  const sampling::StageRow& stage = sampling::row(report.stage);
  return fmt::format("{}: {}", spoken(stage.name), stage.reason(report, rank));
}

DrawAddress address_of(const RandomDraw& random) {
  const auto joined = [](uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; };
  const auto& [step_low, redraws, stream_low, stream_high] = random.counter;
  return {random.u, joined(random.key[0], random.key[1]), joined(stream_low, stream_high), step_low, redraws};
}

}  // namespace pellucid::cli
