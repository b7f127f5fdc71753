// What generate prints: one text, or several of one prompt.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "generation/beams.h"
#include "generation/continuation.h"
#include "generation/samples.h"

namespace pellucid::cli {

/// A prompt, ready to be continued.
struct GenerateRun {
  LoadedEngine loaded;
  std::string text;  // as it was tokenized
  std::vector<int32_t> prompt;
  std::optional<std::tm> now;  // with --chat
  generation::GenerateOptions options;
};

/// The members that every report has: model, prompt_tokens, seed, settings, timings; now and
/// negative_prompt_tokens where there are such.
boost::json::object head_json(const GenerateRun& run, const generation::Timings& timings);

/// tokens, text, finish_reason.
boost::json::object text_json(const generation::Generation& done);

/// Of one text.
boost::json::object report_json(const GenerateRun& run, const generation::Generation& done,
                                const generation::Timings& timings);

/// Of several, of which those of `chosen` are given, in this order: `choices`; and, where not all are, how
/// likely each was: `candidates`.
boost::json::object samples_json(const GenerateRun& run, const generation::Samples& samples,
                                 const std::vector<size_t>& chosen);

/// The same for reading: a line above each text says which it is.
std::string samples_text(const generation::Samples& samples, const std::vector<size_t>& chosen);

/// What was asked of a beam search; and its texts, best first.
boost::json::object beam_options_json(const generation::BeamOptions& asked);
boost::json::array beam_texts_json(const generation::BeamTexts& found);

/// Of a beam search: the best text as report_json() has one text; `beams`, all texts, best first; and
/// `beam_search`, what was asked for.
boost::json::object beams_json(const GenerateRun& run, const generation::BeamOptions& asked,
                               const generation::BeamTexts& found);

/// The same for reading: the best `count`, with a line above each where there are several.
std::string beams_text(const generation::BeamTexts& found, size_t count);

/// "[seed 1 | load 80 ms | prefill ... | decode ... | stop]"
std::string summary(const GenerateRun& run, const generation::Timings& timings, std::string_view ending);

}  // namespace pellucid::cli
