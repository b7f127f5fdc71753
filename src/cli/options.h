// The options that several commands share: the model and how it runs, the settings of the sampling chain, the
// output form.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/terminal.h"
#include "generation/engine.h"
#include "sampling/settings.h"

namespace pellucid::cli {

struct ModelOptions {
  std::string model;
  std::string precision = "native";
  std::string kv_type = "f16";
  generation::EngineOptions engine;
  bool hash = false;  // whether the file's hash is wanted
};

/// -m, --threads, --ctx, --batch, --precision, --kv-type.
void add_model_options(CLI::App& command, ModelOptions& options);

/// The two of them that never change a result: --threads, --batch.
void add_thread_options(CLI::App& command, ModelOptions& options);

struct LoadedEngine {
  std::unique_ptr<generation::Engine> engine;
  std::string path;
  double load_ms = 0;
  uint64_t hash = 0;  // xxh64() of the file, where it is wanted
};
Result<LoadedEngine> load_engine(ModelOptions options);

/// Settings given on the command line, as text: checked when they are applied.
struct SamplingOptions {
  std::vector<std::pair<std::string, std::string>> given;
  std::optional<uint64_t> seed;
  std::optional<std::string> dialect;
};

/// One option for each row of the registry of sampling stages, --order, --dialect and --seed.
void add_sampling_options(CLI::App& command, SamplingOptions& options);

/// The settings of one stage alone.
void add_stage_options(CLI::App& command, sampling::StageId stage, SamplingOptions& options);

/// --dialect.
CLI::Option* add_dialect_option(CLI::App& command, SamplingOptions& options);

/// The value that a command line gives a setting: of one that may be a file's (SettingRow), "@PATH" is what
/// the file holds. Errors: those of MappedFile::open().
Result<std::string> setting_text(std::string_view name, std::string_view text);

/// `base`, or the settings of the dialect where one is asked for, with what was given. Errors: kUsage, also
/// for a setting given that the order has no stage for.
Result<sampling::Settings> apply(const SamplingOptions& options, sampling::Settings base);
/// The same where such a setting does nothing: a dialect is compared with one that knows it.
Result<sampling::Settings> apply_where_known(const SamplingOptions& options, sampling::Settings base);

/// The seed given, or one from the system's entropy source.
uint64_t seed_or_random(const SamplingOptions& options);

/// --now.
CLI::Option* add_now_option(CLI::App& command, std::optional<std::string>& now);

/// --color, --colour.
void add_colour_option(CLI::App& command, ColourChoice& colour);

enum class Format { kText, kJson };
/// --format text|json.
void add_format_option(CLI::App& command, Format& format);

/// The text given, or all of standard input, to the byte. Errors: kIo.
Result<std::string> text_or_stdin(const std::optional<std::string>& text);

/// Token ids from text such as "1,2,3" or "1 2 3". Errors: kUsage.
Result<std::vector<int32_t>> parse_ids(const std::string& text);

}  // namespace pellucid::cli
