#include "trace/records.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "tokenizer/utf8_stream.h"
#include "trace/settings_json.h"
#include "trace/token_set_digits.h"

namespace pellucid::trace {
namespace {

namespace json = boost::json;

std::string replaced_utf8(std::string_view bytes) {
  tokenizer::Utf8Stream stream;
  std::string text = stream.push(bytes);
  return text += stream.finish();
}

/// `name`, and where the bytes are no UTF-8, `name_bytes` with all of them.
void put_bytes(json::object& object, std::string_view name, std::string_view bytes) {
  const std::string text = replaced_utf8(bytes);
  object[name] = text;
  if (text == bytes) return;
  json::array list;
  for (const char byte : bytes) list.emplace_back(static_cast<unsigned char>(byte));
  object[fmt::format("{}_bytes", name)] = std::move(list);
}

json::value or_null(std::optional<double> number) {
  return number ? json::value(*number) : json::value(nullptr);
}

std::string hash_text(uint64_t hash) { return fmt::format("{:016x}", hash); }

json::object to_json(const RandomDraw& random) {
  return {{"generator", "philox4x32-10"},
          {"key", json::value_from(random.key)},
          {"counter", json::value_from(random.counter)},
          {"integer", random.integer},
          {"u", random.u}};
}

/// The set in order of the tokens, 4 of them in a digit, the lowest bit first.
json::object to_json(const Allowed& allowed) {
  json::object object{{"count", allowed.count}, {"hash", hash_text(allowed.hash)}};
  if (!allowed.set.empty()) object["set"] = set_digits(allowed.set);
  return object;
}

/// Where logits with this hash are.
void put(json::object& object, const LogitsPlace& place, uint64_t logits_hash) {
  object["logits_row"] = place.row;
  if (place.hash != logits_hash) object["stored_hash"] = hash_text(place.hash);
}

json::object to_json(const Unconditional& unconditional) {
  json::object object{{"logits_hash", hash_text(unconditional.logits_hash)}};
  if (unconditional.logits) put(object, *unconditional.logits, unconditional.logits_hash);
  return object;
}

json::object to_json(const Stage& stage) {
  json::object object{{"name", stage.name},
                      {"skipped", stage.skipped},
                      {"entered", stage.entered},
                      {"kept", stage.kept},
                      {"removed", stage.entered - stage.kept},
                      {"changed", stage.changed},
                      {"threshold", or_null(stage.threshold)}};
  if (stage.random) object["random"] = to_json(*stage.random);
  return object;
}

json::object to_json(const Candidate& candidate) {
  json::object object{{"id", candidate.id}};
  put_bytes(object, "piece", candidate.piece);
  object["logit"] = candidate.logit;
  object["probability"] = candidate.probability;
  object["removed_by"] =
      candidate.removed_by.empty() ? json::value(nullptr) : json::value(candidate.removed_by);
  return object;
}

json::object to_json(const sampling::Draw& draw) {
  json::object object;
  if (draw.random) object = to_json(*draw.random);
  object["token"] = draw.token;
  object["rank"] = draw.rank;
  object["probability"] = draw.probability;
  object["low"] = draw.low;
  object["high"] = draw.high;
  object["margin"] = draw.margin;
  return object;
}

json::object to_json(const sampling::Prediction& prediction) {
  json::object object{{"entropy_bits", prediction.entropy_bits},
                      {"log_sum_exp", prediction.log_sum_exp},
                      {"probability", prediction.probability}};
  if (prediction.rank) object["rank"] = *prediction.rank;
  if (prediction.surprise_bits) object["surprise_bits"] = *prediction.surprise_bits;
  return object;
}

json::object to_json(const sampling::State& state) {
  json::object object;
  if (state.redraws != 0) object["redraws"] = state.redraws;
  if (state.mirostat_mu) object["mirostat_mu"] = *state.mirostat_mu;
  if (state.adaptive_sum) object["adaptive_sum"] = *state.adaptive_sum;
  if (state.adaptive_weight) object["adaptive_weight"] = *state.adaptive_weight;
  return object;
}

/// What shapes a text: of the main one in the header, of the others in their own record.
void put_options(json::object& object, const Branch& branch) {
  const generation::GenerateOptions& options = branch.options;
  json::array stop;
  for (const std::string& text : options.stop) stop.emplace_back(replaced_utf8(text));
  object["seed"] = options.seed;
  object["stream"] = options.stream;
  object["max_tokens"] = options.max_tokens;
  object["stop"] = std::move(stop);
  object["stop_at_end_of_turn"] = options.stop_at_end_of_turn;
  if (!options.negative_prompt.empty()) {
    object["negative_prompt"] = json::value_from(options.negative_prompt);
  }
  object["dialect"] = branch.dialect;
  object["settings"] = settings_json(options.settings);
}

}  // namespace

json::object header_record(const Trace& trace) {
  const Model& model = trace.model;
  const Machine& machine = trace.machine;
  json::object object{{"record", "header"},
                      {"format", "pellucid-trace"},
                      {"version", fmt::format("{}.{}", kMajor, kMinor)},
                      {"pellucid", trace.pellucid}};
  object["model"] = {
      {"path", replaced_utf8(model.path)}, {"bytes", model.bytes},
      {"hash", hash_text(model.hash)},     {"architecture", model.architecture},
      {"n_vocab", model.n_vocab},          {"tokenizer_hash", hash_text(model.tokenizer_hash)}};
  object["machine"] = {{"kv_type", machine.kv_type},
                       {"precision", machine.precision},
                       {"ctx", machine.n_ctx},
                       {"simd", machine.simd},
                       {"threads", machine.n_threads}};
  object["prompt"] = {{"text", trace.prompt}, {"tokens", json::value_from(trace.prompt_tokens)}};
  object["end_ids"] = json::value_from(trace.end_ids);
  if (!trace.breakers.empty()) object["breakers"] = json::value_from(trace.breakers);
  if (!trace.logits_path.empty())
    object["logits"] = {{"path", replaced_utf8(trace.logits_path)},
                        {"type", kLogitsTypeNames[static_cast<size_t>(trace.logits_type)]}};
  put_options(object, trace.branches.front());
  return object;
}

json::object branch_record(const Branch& branch) {
  json::object object{
      {"record", "branch"}, {"branch", branch.id}, {"parent", branch.parent}, {"at", branch.at}};
  object["take"] = json::value_from(branch.options.begun.take);
  if (branch.prompt) {
    object["prompt"] = {{"text", replaced_utf8(branch.prompt->text)},
                        {"tokens", json::value_from(branch.prompt->tokens)}};
  }
  put_options(object, branch);
  return object;
}

json::object step_record(int branch, const Step& step) {
  json::object object{{"record", "step"}, {"branch", branch}, {"step", step.index}, {"token", step.token}};
  put_bytes(object, "piece", step.piece);
  object["text"] = step.text;
  object["taken"] = step.taken;
  object["logits_hash"] = hash_text(step.logits_hash);
  if (step.logits) put(object, *step.logits, step.logits_hash);
  if (step.unconditional) object["unconditional"] = to_json(*step.unconditional);
  if (step.allowed) object["allowed"] = to_json(*step.allowed);
  json::array stages;
  for (const Stage& stage : step.stages) stages.push_back(to_json(stage));
  object["stages"] = std::move(stages);
  object["draw"] = to_json(step.draw);
  object["gap"] = or_null(step.gap);
  object["near_tie"] = step.near_tie;
  if (step.prediction) object["prediction"] = to_json(*step.prediction);
  if (step.final_entropy_bits) object["final_entropy_bits"] = *step.final_entropy_bits;
  json::array candidates;
  for (const Candidate& candidate : step.candidates) candidates.push_back(to_json(candidate));
  object["candidates"] = std::move(candidates);
  if (!step.banned.empty()) object["banned"] = json::value_from(step.banned);
  if (step.taken_back != 0) {
    object["taken_back"] = step.taken_back;
    object["banned_phrase"] = step.banned_phrase;
  }
  if (step.state != sampling::State{}) object["state"] = to_json(step.state);
  object["ms"] = step.ms;
  return object;
}

json::object end_record(int branch, const generation::Generation& done) {
  const generation::Timings& t = done.timings;
  return {{"record", "end"},
          {"branch", branch},
          {"finish_reason", to_string(done.finish_reason)},
          {"n_tokens", done.tokens.size()},
          {"timings",
           {{"prefill_ms", t.prefill_ms},
            {"decode_ms", t.decode_ms},
            {"prefill_tokens", t.prefill_tokens},
            {"decode_tokens", t.decode_tokens}}}};
}

}  // namespace pellucid::trace
