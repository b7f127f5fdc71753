#include "cli/generate_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/json.h"
#include "cli/local_time.h"
#include "trace/settings_json.h"

namespace pellucid::cli {
namespace {

double rate(int tokens, double ms) { return ms > 0 ? tokens / ms * 1e3 : 0.0; }

/// null where it is no number.
boost::json::value number_json(double number) {
  return std::isfinite(number) ? boost::json::value(number) : boost::json::value(nullptr);
}

boost::json::object likelihood_json(const generation::Sample& sample) {
  return {{"seed", sample.seed},
          {"cumulative_logprob", number_json(sample.logprob)},
          {"mean_logprob", number_json(sample.mean_logprob())}};
}

}  // namespace

boost::json::object head_json(const GenerateRun& run, const generation::Timings& t) {
  boost::json::object head{
      {"model", run.loaded.path},
      {"prompt_tokens", ids_json(run.prompt)},
      {"seed", run.options.seed},
      {"settings", trace::settings_json(run.options.settings)},
      {"timings", boost::json::object{{"load_ms", run.loaded.load_ms},
                                      {"prefill_ms", t.prefill_ms},
                                      {"decode_ms", t.decode_ms},
                                      {"prefill_tokens_per_s", rate(t.prefill_tokens, t.prefill_ms)},
                                      {"decode_tokens_per_s", rate(t.decode_tokens, t.decode_ms)}}}};
  if (!run.options.negative_prompt.empty()) {
    head["negative_prompt_tokens"] = ids_json(run.options.negative_prompt);
  }
  if (run.now) head["now"] = to_text(*run.now);
  return head;
}

boost::json::object text_json(const generation::Generation& done) {
  return {{"tokens", ids_json(done.tokens)},
          {"text", to_json_text(done.text)},
          {"finish_reason", std::string(generation::to_string(done.finish_reason))}};
}

boost::json::object report_json(const GenerateRun& run, const generation::Generation& done,
                                const generation::Timings& timings) {
  boost::json::object report = text_json(done);
  for (auto& member : head_json(run, timings)) report.insert(member);
  return report;
}

boost::json::object samples_json(const GenerateRun& run, const generation::Samples& samples,
                                 const std::vector<size_t>& chosen) {
  boost::json::array choices;
  for (const size_t i : chosen) {
    boost::json::object choice{{"index", choices.size()}};
    for (auto& member : likelihood_json(samples.samples[i])) choice.insert(member);
    for (auto& member : text_json(samples.samples[i].generation)) choice.insert(member);
    choices.push_back(std::move(choice));
  }
  boost::json::object report{{"choices", std::move(choices)}};
  if (chosen.size() < samples.samples.size()) {
    boost::json::array candidates;
    for (const generation::Sample& sample : samples.samples) candidates.push_back(likelihood_json(sample));
    report["candidates"] = std::move(candidates);
  }
  for (auto& member : head_json(run, samples.timings)) report.insert(member);
  return report;
}

std::string samples_text(const generation::Samples& samples, const std::vector<size_t>& chosen) {
  std::string text;
  for (const size_t i : chosen) {
    const generation::Sample& sample = samples.samples[i];
    text += fmt::format("--- seed {} | {} tokens | log-probability {:.4f}, {:.4f} a token | {} ---\n{}\n",
                        sample.seed, sample.generation.tokens.size(), sample.logprob, sample.mean_logprob(),
                        generation::to_string(sample.generation.finish_reason), sample.generation.text);
  }
  return text;
}

boost::json::object beam_options_json(const generation::BeamOptions& asked) {
  return {{"beams", asked.beams},
          {"length_penalty", asked.length_penalty},
          {"early_stopping", std::string(generation::to_string(asked.early_stopping))},
          {"sampling", asked.choosing == generation::BeamChoosing::kDraw}};
}

boost::json::array beam_texts_json(const generation::BeamTexts& found) {
  boost::json::array beams;
  for (const generation::BeamText& one : found.texts) {
    boost::json::object beam{{"score", one.score}, {"sum_logprob", one.sum_logprob}};
    for (auto& member : text_json(one.generation)) beam.insert(member);
    beams.push_back(std::move(beam));
  }
  return beams;
}

boost::json::object beams_json(const GenerateRun& run, const generation::BeamOptions& asked,
                               const generation::BeamTexts& found) {
  boost::json::object report = report_json(run, found.texts.front().generation, found.timings);
  report["beams"] = beam_texts_json(found);
  report["beam_search"] = beam_options_json(asked);
  return report;
}

std::string beams_text(const generation::BeamTexts& found, size_t count) {
  if (count == 1) return found.texts.front().generation.text + '\n';
  std::string text;
  for (size_t i = 0; i < std::min(count, found.texts.size()); ++i) {
    const generation::BeamText& one = found.texts[i];
    text += fmt::format("--- score {:.4f} | {} tokens | log-probability {:.4f} | {} ---\n{}\n", one.score,
                        one.generation.tokens.size(), one.sum_logprob,
                        generation::to_string(one.generation.finish_reason), one.generation.text);
  }
  return text;
}

std::string summary(const GenerateRun& run, const generation::Timings& t, std::string_view ending) {
  return fmt::format(
      "[seed {} | load {:.0f} ms | prefill {} tokens, {:.0f}/s | decode {} tokens, {:.0f}/s | {}]",
      run.options.seed, run.loaded.load_ms, t.prefill_tokens, rate(t.prefill_tokens, t.prefill_ms),
      t.decode_tokens, rate(t.decode_tokens, t.decode_ms), ending);
}

}  // namespace pellucid::cli
