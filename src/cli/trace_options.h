// The options of commands that write traces and those that read them: files, models, changed settings.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/options.h"
#include "trace/trace.h"
#include "trace/writer.h"

namespace pellucid::cli {

struct TraceOptions {
  std::optional<std::string> path;
  size_t top = 10;
  std::optional<std::string> logits;
  trace::LogitsType logits_type = trace::LogitsType::kFloat32;
};

/// --trace, --trace-top, --trace-logits, --trace-logits-type.
void add_trace_options(CLI::App& command, TraceOptions& options);

/// The files to write, of a model that was loaded with its hash. Errors: kIo; kUsage where one would be
/// written over what is in use.
Result<trace::Writer> open_trace(const TraceOptions& options, const LoadedEngine& loaded);

/// Errors: kUsage where a setting has bytes that JSON cannot hold.
Result<void> check_recordable(const generation::GenerateOptions& run);

/// A trace whose main text has no steps yet. Errors: those of check_recordable().
Result<trace::Trace> new_trace(const TraceOptions& options, const LoadedEngine& loaded,
                               std::string_view prompt, std::span<const int32_t> prompt_tokens,
                               const generation::GenerateOptions& run,
                               const std::optional<std::string>& dialect);

/// Both: a writer that begins with the header.
Result<trace::Writer> start_trace(const TraceOptions& options, const LoadedEngine& loaded,
                                  std::string_view prompt, std::span<const int32_t> prompt_tokens,
                                  const generation::GenerateOptions& run,
                                  const std::optional<std::string>& dialect);

/// Where a trace's logits are: its path of them begins beside it.
std::string logits_path(const std::string& trace_path, const trace::Trace& trace);

/// True where both names are there and lead to one file.
bool same_file(const std::string& a, const std::string& b);

/// Errors: kUsage where what is to be written with --output is the file of a trace's logits.
Result<void> check_not_logits(const std::string& output, const std::string& trace_path,
                              const trace::Trace& trace);

/// The trace to read, as the first argument; --branch, which comes back.
CLI::Option* add_trace_argument(CLI::App& command, std::string& path, int& branch);

/// -m, --threads, --batch: how a recorded text may be run again.
void add_rerun_options(CLI::App& command, ModelOptions& options);

/// The model of a trace, or the one that the options name, run as it was recorded. Errors: kBadTrace where it
/// is another model.
Result<LoadedEngine> load_recorded(const trace::Trace& trace, ModelOptions options);

/// --set NAME=VALUE, --dialect, --seed: what is changed of recorded settings.
void add_change_options(CLI::App& command, SamplingOptions& options);

}  // namespace pellucid::cli
