// What detect-watermark found: as text for a terminal and as JSON.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "cli/terminal.h"
#include "sampling/settings.h"
#include "sampling/watermark.h"

namespace pellucid::cli {

struct WatermarkReport {
  sampling::Settings settings;
  sampling::WatermarkScore score;
  std::span<const int32_t> tokens;                           // each has a mark of the score
  std::function<std::optional<std::string>(int32_t)> piece;  // bytes of a token, where they are known
  double threshold = 3;                                      // z from which it counts as found

  [[nodiscard]] bool found() const { return score.z > threshold; }
};

/// Lines, each ending in '\n': the text, its tokens green, red or (not scored) faint where there is colour;
/// and the numbers.
std::string watermark_text(const WatermarkReport& report, const ReportStyle& style);

/// `num_tokens_scored`, `num_green_tokens`, `green_fraction`, `z_score`, `p_value`, `prediction` (the names
/// of transformers), `z_threshold`; `tokens`: [{`id`, `token` (null where its text isn't known), `green`
/// (null where it isn't scored)}]; `settings`: those of the watermark.
boost::json::object watermark_json(const WatermarkReport& report);

}  // namespace pellucid::cli
