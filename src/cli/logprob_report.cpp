#include "cli/logprob_report.h"

#include <fmt/format.h>

#include <span>

#include "cli/checks.h"
#include "cli/json.h"
#include "cli/token_text.h"

namespace pellucid::cli {
namespace {

using generation::LogprobKind;
using generation::PositionLogprobs;
using generation::TokenLogprob;

constexpr uint64_t kMostTop = 1'000'000;  // more than any vocabulary: all
constexpr size_t kTokenColumns = 18;
constexpr const char* kLogprobs = "Log-probabilities";

/// logprob and rank are null where the token is ruled out.
boost::json::object token_json(const generation::Engine& engine, const TokenLogprob& one) {
  boost::json::object object{{"id", one.id}, {"token", to_json_text(engine.tokenizer().piece(one.id))}};
  object["logprob"] = one.rank != 0 ? boost::json::value(one.logprob) : boost::json::value(nullptr);
  object["rank"] = one.rank != 0 ? boost::json::value(one.rank) : boost::json::value(nullptr);
  return object;
}

boost::json::object position_json(const generation::Engine& engine, const PositionLogprobs& position) {
  boost::json::object object = token_json(engine, position.token);
  boost::json::array top;
  for (const TokenLogprob& one : position.top) top.push_back(token_json(engine, one));
  object["top_logprobs"] = std::move(top);
  return object;
}

std::string row_text(const generation::Engine& engine, const TokenLogprob& one, std::string_view mark) {
  const size_t width = kTokenColumns - mark.size();
  const std::string token = padded(quoted_token(engine.tokenizer().piece(one.id), width), width);
  if (one.rank == 0) return fmt::format("  {}{} ruled out\n", mark, token);
  return fmt::format("  {}{} {:>10.4f} {:>6}\n", mark, token, one.logprob, one.rank);
}

std::string positions_text(const generation::Engine& engine, std::span<const PositionLogprobs> positions) {
  std::string text;
  for (const PositionLogprobs& position : positions) {
    text += row_text(engine, position.token, "");
    for (const TokenLogprob& one : position.top) text += row_text(engine, one, "| ");
  }
  return text;
}

}  // namespace

void add_logprob_options(CLI::App& command, LogprobChoice& choice) {
  CLI::Option* kind =
      command
          .add_option("--logprobs", choice.kind,
                      "log-probabilities of the new tokens: raw (of the model's logits), scaled (after "
                      "biases, penalties and temperature, nothing cut) or final (of what was drawn from)")
          ->transform(one_of({{"raw", static_cast<int>(LogprobKind::kRaw)},
                              {"scaled", static_cast<int>(LogprobKind::kScaled)},
                              {"final", static_cast<int>(LogprobKind::kFinal)}}))
          ->type_name("KIND")
          ->group(kLogprobs);
  command.add_option("--top-logprobs", choice.top, "the N most likely tokens of each position, too")
      ->transform(whole_number(0, kMostTop))
      ->type_name("N")
      ->needs(kind)
      ->group(kLogprobs);
  command.add_flag("--prompt-logprobs", choice.prompt, "those of the prompt's tokens, too")
      ->needs(kind)
      ->group(kLogprobs);
}

boost::json::object logprobs_json(const LogprobChoice& choice, const generation::Engine& engine,
                                  const TextLogprobs& text, const generation::PromptLogprobs* prompt) {
  boost::json::array content;
  for (const PositionLogprobs& position : text) content.push_back(position_json(engine, position));
  boost::json::object object{{"kind", std::string(to_string(choice.options().kind))},
                             {"content", std::move(content)}};
  if (prompt == nullptr) return object;
  boost::json::array before{nullptr};  // nothing foretells the first token
  for (const PositionLogprobs& one : prompt->positions()) before.push_back(position_json(engine, one));
  object["prompt"] = std::move(before);
  return object;
}

std::string logprobs_text(const LogprobChoice& choice, const generation::Engine& engine,
                          const TextLogprobs& text, const generation::PromptLogprobs* prompt) {
  const std::string head = fmt::format("{} {:>10} {:>6}", std::string(kTokenColumns, ' '), "logprob", "rank");
  const std::string_view kind = to_string(choice.options().kind);
  std::string out;
  if (prompt != nullptr) {
    out += fmt::format("\n{} log-probabilities of the prompt\n  {}\n", kind, head);
    out += positions_text(engine, prompt->positions());
  }
  out += fmt::format("\n{} log-probabilities\n  {}\n", kind, head);
  return out + positions_text(engine, text);
}

}  // namespace pellucid::cli
