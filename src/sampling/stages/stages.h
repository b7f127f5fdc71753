// The stages, each in a file of its own: a pure function from (settings, candidates) to the candidates that
// are left, and its words. The contracts are those of StageRow (registry.h).
#pragma once

#include <string>

#include "sampling/candidates.h"
#include "sampling/settings.h"
#include "sampling/stage.h"

namespace pellucid::sampling {

/// Divides the logits by the temperature; at 0 only the best is left (greedy).
void temperature(const Settings& settings, Candidates& candidates, StageReport& report);
std::string temperature_summary(const StageReport& report);
std::string temperature_reason(const StageReport& report, size_t rank);

/// Keeps the k best, exactly k where there are as many (Fan, Lewis and Dauphin 2018, arXiv:1805.04833).
void top_k(const Settings& settings, Candidates& candidates, StageReport& report);
std::string top_k_summary(const StageReport& report);
std::string top_k_reason(const StageReport& report, size_t rank);

/// Keeps the nucleus: the fewest from the most likely down whose probabilities reach p (Holtzman et al. 2019,
/// arXiv:1904.09751).
void top_p(const Settings& settings, Candidates& candidates, StageReport& report);
std::string top_p_summary(const StageReport& report);
std::string top_p_reason(const StageReport& report, size_t rank);

}  // namespace pellucid::sampling
