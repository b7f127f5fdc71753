#include "trace/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "base/text.h"
#include "base/xxh64.h"
#include "sampling/chain.h"
#include "trace/fields.h"
#include "trace/json_text.h"
#include "trace/settings_json.h"
#include "trace/token_set_digits.h"

namespace pellucid::trace {
namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr uint64_t kMaxWhole = std::numeric_limits<uint64_t>::max();
constexpr double kMaxNumber = std::numeric_limits<double>::max();
constexpr double kMaxLogit = std::numeric_limits<float>::max();

/// "1.0". A newer major version may mean anything; a newer minor one only adds.
void check_version(Fields& header) {
  if (header.text("format") != "pellucid-trace") header.refuse("format is not pellucid-trace");
  const std::string version = header.text("version");
  int major = 0;
  int minor = 0;
  int used = 0;
  const bool good = std::sscanf(version.c_str(), "%9d.%9d%n", &major, &minor, &used) == 2 &&
                    static_cast<size_t>(used) == version.size();
  if (!good || major != kMajor) {
    header.refuse(fmt::format("version is {}, and this pellucid reads {}.x", in_quotes(version), kMajor));
  }
}

sampling::Settings settings_in(Fields& fields, int n_vocab) {
  auto settings = settings_from_json(fields.object("settings"), {});
  Result<void> fit;
  if (settings.ok()) fit = sampling::check_for(settings.value(), static_cast<size_t>(n_vocab));
  if (settings.ok() && fit.ok()) return std::move(settings).value();
  fields.refuse(settings.ok() ? fit.error().message() : settings.error().message());
  return {};
}

void read_options(Fields& fields, int n_vocab, Branch& branch) {
  generation::GenerateOptions& options = branch.options;
  options.seed = fields.whole("seed", 0, kMaxWhole);
  options.stream = fields.whole("stream", 0, (uint64_t{1} << 56) - 1);
  options.max_tokens = fields.integer("max_tokens", 0, kMaxInt);
  options.stop = fields.texts("stop");
  if (std::ranges::any_of(options.stop, &std::string::empty)) fields.refuse("stop holds an empty text");
  options.stop_at_end_of_turn = fields.boolean("stop_at_end_of_turn");
  if (fields.has("negative_prompt")) options.negative_prompt = fields.ids("negative_prompt", n_vocab);
  branch.dialect = fields.text("dialect");
  options.settings = settings_in(fields, n_vocab);
}

Model model_in(Fields& fields) {
  Model model;
  model.path = fields.text("path");
  model.bytes = fields.whole("bytes", 0, kMaxWhole);
  model.hash = fields.hash("hash");
  model.architecture = fields.text("architecture");
  model.n_vocab = fields.integer("n_vocab", 1, kMaxInt);
  model.tokenizer_hash = fields.hash("tokenizer_hash");
  return model;
}

Machine machine_in(Fields& fields) {
  Machine machine;
  machine.kv_type = fields.text("kv_type");
  machine.precision = fields.text("precision");
  machine.n_ctx = fields.integer("ctx", 1, kMaxInt);
  machine.simd = fields.text("simd");
  machine.n_threads = fields.integer("threads", 1, kMaxInt);
  if (!kernels::kv_type_named(machine.kv_type)) fields.refuse("machine.kv_type is none of f16, f32, q8_0");
  if (machine.precision != "native" && machine.precision != "f32") {
    fields.refuse("machine.precision is neither native nor f32");
  }
  return machine;
}

/// A list of tokens; empty where it is something else.
sampling::TokenIds ids_of(const boost::json::value& list, int n_vocab) {
  if (!list.is_array()) return {};
  sampling::TokenIds ids;
  for (const boost::json::value& entry : list.get_array()) {
    const std::optional<uint64_t> id = whole_of(entry);
    if (!id || *id >= static_cast<uint64_t>(n_vocab)) return {};
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

/// Lists of tokens, none of them empty, in order of the last.
std::vector<sampling::TokenIds> breakers_in(Fields& fields, int n_vocab) {
  std::vector<sampling::TokenIds> breakers;
  for (const boost::json::value& entry : fields.list("breakers")) {
    breakers.push_back(ids_of(entry, n_vocab));
    if (breakers.back().empty()) fields.refuse("breakers holds what is no list of tokens");
    if (!fields.ok()) return {};
  }
  if (!std::ranges::is_sorted(breakers, {}, [](const sampling::TokenIds& ids) { return ids.back(); })) {
    fields.refuse("breakers is not in order of the last tokens");
  }
  return breakers;
}

Prompt prompt_in(Fields& fields, int n_vocab) {
  return fields.in("prompt", [=](Fields& prompt) {
    Prompt one{prompt.text("text"), prompt.ids("tokens", n_vocab)};
    if (one.tokens.empty()) prompt.refuse("prompt.tokens is empty");
    return one;
  });
}

Trace header_in(Fields& fields) {
  Trace trace;
  check_version(fields);
  if (!fields.ok()) return trace;
  trace.pellucid = fields.text("pellucid");
  trace.model = fields.in("model", model_in);
  trace.machine = fields.in("machine", machine_in);
  const int n_vocab = trace.model.n_vocab;
  Prompt prompt = prompt_in(fields, n_vocab);
  trace.prompt = std::move(prompt.text);
  trace.prompt_tokens = std::move(prompt.tokens);
  trace.end_ids = fields.ids("end_ids", n_vocab);
  if (fields.has("breakers")) trace.breakers = breakers_in(fields, n_vocab);
  if (fields.has("logits")) {
    trace.logits_path = fields.in("logits", [&](Fields& logits) {
      const std::optional<LogitsType> type = logits_type_named(logits.text("type"));
      if (!type) logits.refuse("logits.type is neither float32 nor float16");
      trace.logits_type = type.value_or(LogitsType::kFloat32);
      return logits.text("path");
    });
  }
  read_options(fields, n_vocab, trace.branches.emplace_back());
  return trace;
}

Branch branch_in(Fields& fields, const Trace& trace) {
  Branch branch;
  const auto next = static_cast<int>(trace.branches.size());
  branch.id = fields.integer("branch", next, next);
  branch.parent = fields.integer("parent", 0, next - 1);
  const int reach = trace.branches[static_cast<size_t>(branch.parent)].n_tokens();
  if (fields.has("prompt")) {
    branch.prompt = prompt_in(fields, trace.model.n_vocab);
    branch.at = fields.integer("at", 0, 0);
  } else {
    if (reach == 0) fields.refuse(fmt::format("parent {} has no steps", branch.parent));
    branch.at = fields.integer("at", 0, std::max(0, reach - 1));
  }
  branch.options.begun.take = fields.ids("take", trace.model.n_vocab);
  read_options(fields, trace.model.n_vocab, branch);
  return branch;
}

/// A list of as many 32-bit numbers.
template <size_t n>
std::array<uint32_t, n> words_in(Fields& fields, std::string_view name) {
  std::array<uint32_t, n> words{};
  const boost::json::array& list = fields.list(name);
  bool good = list.size() == n;
  for (size_t i = 0; good && i < n; ++i) {
    const std::optional<uint64_t> word = whole_of(list[i]);
    good = word && *word <= std::numeric_limits<uint32_t>::max();
    if (good) words[i] = static_cast<uint32_t>(*word);
  }
  if (!good) fields.wrong(name, fmt::format("a list of {} numbers of 32 bits", n));
  return words;
}

RandomDraw random_in(Fields& fields) {
  if (fields.text("generator") != "philox4x32-10") fields.refuse("generator is not philox4x32-10");
  RandomDraw random{};
  random.key = words_in<2>(fields, "key");
  random.counter = words_in<4>(fields, "counter");
  random.integer = fields.whole("integer", 0, (uint64_t{1} << 53) - 1);
  random.u = fields.number("u", 0, 1);
  return random;
}

Stage stage_in(Fields& fields) {
  Stage stage;
  stage.name = fields.text("name");
  stage.skipped = fields.boolean("skipped");
  stage.entered = fields.whole("entered", 1, kMaxInt);
  stage.kept = fields.whole("kept", 1, stage.entered);
  stage.changed = fields.whole("changed", 0, kMaxInt);
  stage.threshold = fields.number_or_null("threshold");
  if (fields.has("random")) stage.random = fields.in("random", random_in);
  return stage;
}

sampling::Draw draw_in(Fields& fields, int n_vocab) {
  sampling::Draw draw;
  draw.random = random_in(fields);
  draw.u = draw.random->u;
  draw.token = fields.integer("token", 0, n_vocab - 1);
  draw.rank = fields.whole("rank", 0, static_cast<uint64_t>(n_vocab) - 1);
  draw.probability = fields.number("probability", 0, 1);
  draw.low = fields.number("low", 0, 1);
  draw.high = fields.number("high", 0, 1);
  draw.margin = fields.number("margin", 0, 1);
  return draw;
}

Candidate candidate_in(Fields& fields, int n_vocab) {
  Candidate candidate;
  candidate.id = fields.integer("id", 0, n_vocab - 1);
  candidate.piece = fields.bytes("piece");
  candidate.logit = fields.number("logit", -kMaxLogit, kMaxLogit);
  candidate.probability = fields.number("probability", 0, 1);
  candidate.removed_by = fields.text_or_null("removed_by");
  return candidate;
}

sampling::Prediction prediction_in(Fields& fields, int n_vocab) {
  sampling::Prediction prediction;
  prediction.entropy_bits = fields.number("entropy_bits", 0, kMaxNumber);
  prediction.log_sum_exp = fields.number("log_sum_exp", -kMaxNumber, kMaxNumber);
  prediction.probability = fields.number("probability", 0, 1);
  if (fields.has("rank")) prediction.rank = fields.whole("rank", 0, static_cast<uint64_t>(n_vocab) - 1);
  if (fields.has("surprise_bits")) prediction.surprise_bits = fields.number("surprise_bits", 0, kMaxNumber);
  return prediction;
}

sampling::State state_in(Fields& fields) {
  sampling::State state;
  if (fields.has("redraws")) {
    constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
    state.redraws = static_cast<uint32_t>(fields.whole("redraws", 1, kMost));
  }
  const auto read = [&](std::string_view name, std::optional<double>& value) {
    if (fields.has(name)) value = fields.number(name, -kMaxNumber, kMaxNumber);
  };
  read("mirostat_mu", state.mirostat_mu);
  read("adaptive_sum", state.adaptive_sum);
  read("adaptive_weight", state.adaptive_weight);
  return state;
}

/// A set that is stored has to be the one that the hash is of.
Allowed allowed_in(Fields& fields, int n_vocab) {
  Allowed allowed;
  allowed.count = fields.whole("count", 1, static_cast<uint64_t>(n_vocab));
  allowed.hash = fields.hash("hash");
  if (!fields.has("set")) return allowed;
  auto set = set_of_digits(fields.text("set"), static_cast<size_t>(n_vocab));
  if (set && xxh64(std::as_bytes(std::span(*set))) == allowed.hash) {
    allowed.set = std::move(*set);
  } else {
    fields.wrong("set", "the digits of the set of tokens with this hash");
  }
  return allowed;
}

/// Where logits with this hash are stored, if they are.
std::optional<LogitsPlace> place_in(Fields& fields, uint64_t logits_hash) {
  if (!fields.has("logits_row")) return std::nullopt;
  const uint64_t row = fields.whole("logits_row", 0, kMaxWhole);
  return LogitsPlace{row, fields.has("stored_hash") ? fields.hash("stored_hash") : logits_hash};
}

Unconditional unconditional_in(Fields& fields) {
  Unconditional unconditional{.logits_hash = fields.hash("logits_hash"), .logits = {}};
  unconditional.logits = place_in(fields, unconditional.logits_hash);
  return unconditional;
}

Step step_in(Fields& fields, int n_vocab) {
  Step step;
  step.index = fields.integer("step", 0, kMaxInt);
  step.token = fields.integer("token", 0, n_vocab - 1);
  step.taken = fields.boolean("taken");
  step.piece = fields.bytes("piece");
  step.text = fields.text("text");
  step.logits_hash = fields.hash("logits_hash");
  step.logits = place_in(fields, step.logits_hash);
  if (fields.has("unconditional")) step.unconditional = fields.in("unconditional", unconditional_in);
  if (fields.has("allowed"))
    step.allowed = fields.in("allowed", [=](Fields& one) { return allowed_in(one, n_vocab); });
  step.stages = fields.each("stages", stage_in);
  step.draw = fields.in("draw", [=](Fields& draw) { return draw_in(draw, n_vocab); });
  step.gap = fields.number_or_null("gap");
  step.near_tie = fields.boolean("near_tie");
  if (fields.has("prediction"))
    step.prediction = fields.in("prediction", [=](Fields& one) { return prediction_in(one, n_vocab); });
  if (fields.has("final_entropy_bits"))
    step.final_entropy_bits = fields.number("final_entropy_bits", 0, kMaxNumber);
  step.candidates = fields.each("candidates", [=](Fields& one) { return candidate_in(one, n_vocab); });
  if (fields.has("banned")) step.banned = fields.ids("banned", n_vocab);
  if (fields.has("taken_back")) {
    step.taken_back = fields.integer("taken_back", 1, kMaxInt);
    step.banned_phrase = fields.text("banned_phrase");
  }
  if (fields.has("state")) step.state = fields.in("state", state_in);
  step.ms = fields.number("ms", 0, kMaxNumber);
  return step;
}

/// The branch that a step or an end belongs to, which has to be there and under way.
Branch& branch_of(Fields& fields, Trace& trace) {
  const int last = static_cast<int>(trace.branches.size()) - 1;
  Branch& branch = trace.branches[static_cast<size_t>(fields.integer("branch", 0, last))];
  if (branch.end) fields.refuse(fmt::format("branch {} has ended before", branch.id));
  return branch;
}

/// Moves the latest steps, which are void, and those that were void before them, into the step that comes in
/// their place.
void take_back(Fields& fields, const Trace& trace, Branch& branch, Step& step) {
  const auto n = static_cast<size_t>(step.taken_back);
  if (n > branch.steps.size()) return fields.refuse("taken_back is more than there are steps");
  const int left = branch.n_tokens() - step.taken_back;
  const auto leaves = [&](const Branch& one) {
    return one.id != 0 && one.parent == branch.id && one.at > left;
  };
  if (std::ranges::any_of(trace.branches, leaves)) return fields.refuse("taken_back: a branch leaves there");
  for (size_t i = branch.steps.size() - n; i < branch.steps.size(); ++i) {
    Step& old = branch.steps[i];
    std::ranges::move(std::exchange(old.void_steps, {}), std::back_inserter(step.void_steps));
    step.void_steps.push_back(std::move(old));
  }
  branch.steps.resize(branch.steps.size() - n);
}

void add_step(Fields& fields, Trace& trace) {
  Branch& branch = branch_of(fields, trace);
  Step step = step_in(fields, trace.model.n_vocab);
  if (fields.ok() && step.taken_back != 0) take_back(fields, trace, branch, step);
  if (step.index != branch.n_tokens()) {
    fields.refuse(fmt::format("step is {}, and step {} of branch {} comes next", step.index,
                              branch.n_tokens(), branch.id));
  }
  if (fields.ok()) branch.steps.push_back(std::move(step));
}

void add_end(Fields& fields, Trace& trace) {
  Branch& branch = branch_of(fields, trace);
  End end;
  end.finish_reason = fields.text("finish_reason");
  end.n_tokens = fields.integer("n_tokens", 0, kMaxInt);
  if (end.n_tokens != branch.n_tokens()) {
    fields.refuse(fmt::format("n_tokens is {}, and there are {} steps", end.n_tokens, branch.n_tokens()));
  }
  if (fields.ok()) branch.end = std::move(end);
}

}  // namespace

Result<void> Reader::record(std::string_view text) {
  PELLUCID_TRY(const boost::json::value value, parse_json(text));
  Fields fields(value);
  const std::string kind = fields.text("record");
  const bool is_first = trace_.branches.empty();
  if (is_first != (kind == "header")) {
    fields.refuse(is_first ? "a trace begins with a header" : "there is a header before");
  } else if (is_first) {
    trace_ = header_in(fields);
  } else if (kind == "branch") {
    Branch branch = branch_in(fields, trace_);
    if (fields.ok()) trace_.branches.push_back(std::move(branch));
  } else if (kind == "step") {
    add_step(fields, trace_);
  } else if (kind == "end") {
    add_end(fields, trace_);
  }  // of another kind: written by a later version, and no loss
  return fields.status();
}

Result<void> Reader::line(std::string_view text) {
  const std::string where = fmt::format("line {}", ++n_lines_);
  if (text.size() > kMaxLine) {
    return Error{ErrorCode::kBadTrace, where, fmt::format("it is longer than {} MiB", kMaxLine >> 20)};
  }
  const Result<void> done = record(text);
  if (done.ok()) return {};
  const Error& error = done.error();
  return Error{ErrorCode::kBadTrace, where, error.what == "no JSON" ? error.message() : error.why};
}

Result<Trace> Reader::finish() && {
  if (trace_.branches.empty())
    return Error{ErrorCode::kBadTrace, "line 1", "there is none: the trace is empty"};
  return std::move(trace_);
}

namespace {

/// Gives the reader the lines that end in `part`; what is left begins the next one.
Result<void> feed(Reader& reader, std::string& line, std::string_view part) {
  while (!part.empty()) {
    const size_t length = part.find('\n');
    line += part.substr(0, length);
    if (length == std::string_view::npos) break;
    part.remove_prefix(length + 1);
    PELLUCID_CHECK(reader.line(line));
    line.clear();
  }
  return line.size() > Reader::kMaxLine ? reader.line(line) : Result<void>();
}

/// All of a file. Errors: the reader's, and kIo where the file cannot be read on.
Result<Trace> read_lines(std::FILE* file) {
  Reader reader;
  std::string line;
  std::vector<char> buffer(size_t{1} << 16);
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), file)) {
    PELLUCID_CHECK(feed(reader, line, {buffer.data(), n}));
  }
  if (std::ferror(file) != 0) return Error{ErrorCode::kIo, "the next line", std::strerror(errno)};
  if (!line.empty()) PELLUCID_CHECK(reader.line(line));
  return std::move(reader).finish();
}

}  // namespace

Result<Trace> read_trace(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error{code, fmt::format("cannot open the trace {}", in_quotes(path, kWhole)),
                 std::strerror(errno)};
  }
  auto trace = read_lines(file.get());
  if (trace.ok()) return trace;
  Error error = trace.error();
  error.what = fmt::format("trace {}, {}", in_quotes(path, kWhole), error.what);
  return error;
}

}  // namespace pellucid::trace
