#include "cli/trace_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "base/stopwatch.h"
#include "base/text.h"
#include "cli/checks.h"
#include "cli/model_path.h"
#include "cli/token_text.h"
#include "model/architectures.h"
#include "trace/header.h"
#include "trace/records.h"

namespace pellucid::cli {
namespace {

namespace fs = std::filesystem;

/// The path of `file` as seen from where `beside` lies.
std::string relative_path(const std::string& file, const std::string& beside) {
  std::error_code failed;
  const fs::path from = fs::absolute(beside, failed).parent_path();
  const fs::path to = fs::absolute(file, failed);
  const fs::path relative = to.lexically_proximate(from);
  return failed || relative.empty() ? file : relative.string();
}

Result<void> check_files(const TraceOptions& options, const std::string& model) {
  if (same_file(*options.path, model)) return refused("--trace", "it is the model's file");
  if (!options.logits) return {};
  if (same_file(*options.logits, model)) return refused("--trace-logits", "it is the model's file");
  if (*options.logits == *options.path || same_file(*options.logits, *options.path)) {
    return refused("--trace-logits", "it is the trace's own file");
  }
  return {};
}

}  // namespace

bool same_file(const std::string& a, const std::string& b) {
  std::error_code not_there;
  return fs::equivalent(a, b, not_there);
}

Result<void> check_not_logits(const std::string& output, const std::string& trace_path,
                              const trace::Trace& trace) {
  if (trace.logits_path.empty() || !same_file(output, logits_path(trace_path, trace))) return {};
  return refused("--output", "it is the file of the trace's logits");
}

void add_trace_options(CLI::App& command, TraceOptions& options) {
  CLI::Option* trace =
      command.add_option("--trace", options.path, "record every step in this file: see docs/trace.md")
          ->type_name("FILE");
  command.add_option("--trace-top", options.top, "with --trace: candidates of a step")
      ->transform(whole_number(1, 1000))
      ->type_name("N")
      ->capture_default_str()
      ->needs(trace);
  CLI::Option* logits =
      command.add_option("--trace-logits", options.logits, "with --trace: all logits, for what-if")
          ->type_name("FILE")
          ->needs(trace);
  command
      .add_option("--trace-logits-type", options.logits_type,
                  "with --trace-logits: f32, or f16, which is rounded: half the bytes")
      ->transform(one_of({{"f32", static_cast<int>(trace::LogitsType::kFloat32)},
                          {"f16", static_cast<int>(trace::LogitsType::kFloat16)}}))
      ->type_name("TYPE")
      ->needs(logits);
}

Result<void> check_recordable(const generation::GenerateOptions& run) {
  // JSON holds characters, not bytes; a replaced one would stop elsewhere.
  for (const auto* texts : {&run.stop, &run.settings.dry_breakers, &run.settings.ban_phrases}) {
    if (!std::ranges::all_of(*texts, is_utf8)) {
      return refused("--trace", "a stop text, breaker or banned phrase is not UTF-8, and cannot be recorded");
    }
  }
  return {};
}

Result<trace::Writer> open_trace(const TraceOptions& options, const LoadedEngine& loaded) {
  PELLUCID_CHECK(check_files(options, loaded.path));
  std::optional<trace::LogitsWriter> logits;
  if (options.logits) {
    PELLUCID_TRY(logits, trace::LogitsWriter::create(*options.logits, options.logits_type));
  }
  PELLUCID_TRY(trace::File file, trace::File::create(*options.path));
  return trace::Writer(std::move(file), std::move(logits), *loaded.engine, options.top);
}

Result<trace::Trace> new_trace(const TraceOptions& options, const LoadedEngine& loaded,
                               std::string_view prompt, std::span<const int32_t> prompt_tokens,
                               const generation::GenerateOptions& run,
                               const std::optional<std::string>& dialect) {
  PELLUCID_CHECK(check_recordable(run));
  PELLUCID_TRY(trace::Trace trace, trace::trace_header(*loaded.engine, loaded.path, loaded.hash, prompt,
                                                       prompt_tokens, run, dialect.value_or("pellucid")));
  if (options.logits) {
    trace.logits_type = options.logits_type;
    trace.logits_path = relative_path(*options.logits, *options.path);
  }
  return trace;
}

Result<trace::Writer> start_trace(const TraceOptions& options, const LoadedEngine& loaded,
                                  std::string_view prompt, std::span<const int32_t> prompt_tokens,
                                  const generation::GenerateOptions& run,
                                  const std::optional<std::string>& dialect) {
  PELLUCID_TRY(const trace::Trace header, new_trace(options, loaded, prompt, prompt_tokens, run, dialect));
  PELLUCID_TRY(trace::Writer writer, open_trace(options, loaded));
  writer.begin(trace::header_record(header), 0);
  return writer;
}

std::string logits_path(const std::string& trace_path, const trace::Trace& trace) {
  return (fs::path(trace_path).parent_path() / trace.logits_path).string();
}

CLI::Option* add_trace_argument(CLI::App& command, std::string& path, int& branch) {
  command.add_option("trace", path, "a trace that --trace wrote")->type_name("TRACE")->required();
  return command.add_option("--branch", branch, "which text of the trace; 0 is the main one")
      ->transform(whole_number(0, std::numeric_limits<int>::max()))
      ->type_name("ID")
      ->capture_default_str();
}

void add_rerun_options(CLI::App& command, ModelOptions& options) {
  command.add_option("-m,--model", options.model, "the model's file (default: where it was recorded)")
      ->type_name("MODEL");
  add_thread_options(command, options);
}

Result<LoadedEngine> load_recorded(const trace::Trace& trace, ModelOptions options) {
  const Stopwatch watch;
  PELLUCID_TRY(std::string path, resolve_model(options.model.empty() ? trace.model.path : options.model));
  PELLUCID_TRY(gguf::File file, gguf::File::open(path));
  if (const uint64_t hash = trace::model_hash(file); hash != trace.model.hash) {
    return Error{ErrorCode::kBadTrace, "the model is another one",
                 fmt::format("{} has the hash {:016x}, recorded is {:016x}", in_quotes(path, kWhole), hash,
                             trace.model.hash)};
  }
  PELLUCID_TRY(const model::ArchSpec spec, model::describe(file));
  if (spec.n_vocab != trace.model.n_vocab || spec.n_ctx_train < trace.machine.n_ctx) {
    return Error{ErrorCode::kBadTrace, "the trace does not fit its model",
                 fmt::format("{} tokens and a context of {}, recorded are {} and {}", spec.n_vocab,
                             spec.n_ctx_train, trace.model.n_vocab, trace.machine.n_ctx)};
  }
  generation::EngineOptions& engine = options.engine;
  engine.n_ctx = trace.machine.n_ctx;
  engine.kv_type = kernels::kv_type_named(trace.machine.kv_type).value_or(engine.kv_type);
  engine.precision =
      trace.machine.precision == "f32" ? kernels::Precision::kFloat32 : kernels::Precision::kNative;
  PELLUCID_TRY(auto loaded, generation::Engine::from(std::move(file), engine));
  return LoadedEngine{std::move(loaded), std::move(path), watch.milliseconds(), trace.model.hash};
}

void add_change_options(CLI::App& command, SamplingOptions& options) {
  const auto add = [&options](const std::vector<std::string>& given) {
    for (const std::string& one : given) {
      const size_t at = one.find('=');
      if (at == std::string::npos)
        throw CLI::ValidationError("--set", fmt::format("{} is not NAME=VALUE", in_quotes(one)));
      options.given.emplace_back(one.substr(0, at), one.substr(at + 1));
    }
  };
  command
      .add_option_function<std::vector<std::string>>(
          "--set", add, "change a setting of the chain, e.g. top_p=0.5 (may be given again)")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
  add_dialect_option(command, options);
  command.add_option("-s,--seed", options.seed, "another seed (default: as recorded)")
      ->transform(whole_number(0, std::numeric_limits<uint64_t>::max()))
      ->type_name("N");
}

}  // namespace pellucid::cli
