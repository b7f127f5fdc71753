#include "cli/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <future>
#include <random>

#include "base/mapped_file.h"
#include "base/stopwatch.h"
#include "base/text.h"
#include "base/xxh64.h"
#include "cli/checks.h"
#include "cli/model_path.h"
#include "sampling/dialects.h"
#include "sampling/registry.h"

namespace pellucid::cli {
namespace {

/// "--top-k" and its aliases, as CLI11 wants them.
std::string flags_of(const sampling::SettingRow& row) {
  std::string flags;
  const auto add = [&flags](std::string_view name) {
    std::string flag = fmt::format("--{}", name);
    for (char& c : flag) c = c == '_' ? '-' : c;
    flags += flags.empty() ? flag : "," + flag;
  };
  add(row.name);
  for (const std::string_view alias : row.aliases) {
    if (!alias.empty()) add(alias);
  }
  return flags;
}

/// What an option's value looks like.
std::string type_name_of(const sampling::SettingRow& row) {
  static constexpr auto kNames = std::array{"X",     "N",      "WHICH",     "WHICH",    "WHICH",    "WHICH",
                                            "WHICH", "ID,...", "ID+ID,...", "ID=X,...", "TEXT,...", "TEXT"};
  static_assert(kNames.size() == std::variant_size_v<sampling::Field>);
  return kNames[row.field.index()];
}

/// The help, the choices, and the default where it says something.
std::string help_of(const sampling::SettingRow& row) {
  std::string help(row.help);
  if (!row.choices.empty()) help += fmt::format(": {}", fmt::join(row.choices, ", "));
  const std::string fallback = sampling::value_text(sampling::Settings{}, row);
  return fallback.empty() ? help : fmt::format("{} (default: {})", help, fallback);
}

}  // namespace

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("-m,--model", options.model, "a GGUF file, or the name of one in the cache")
      ->type_name("MODEL");
  add_thread_options(command, options);
  command.add_option("-c,--ctx", options.engine.n_ctx, "positions of the context (default: as trained)")
      ->transform(at_least_one())
      ->type_name("N");
  command.add_option("--precision", options.precision, "native, or f32: weights dequantised, for reference")
      ->check(CLI::IsMember({"native", "f32"}));
  command.add_option("--kv-type", options.kv_type, "f16, f32 or q8_0: elements of the KV cache")
      ->check(CLI::IsMember(
          std::vector<std::string>(kernels::kKvTypeNames.begin(), kernels::kKvTypeNames.end())));
}

void add_thread_options(CLI::App& command, ModelOptions& options) {
  command
      .add_option("-t,--threads", options.engine.n_threads, "threads (default: the processors it may use)")
      ->transform(whole_number(1, 1024))
      ->type_name("N");
  command
      .add_option("--batch", options.engine.prefill_chunk,
                  "prompt tokens run together; never changes a result")
      ->transform(whole_number(1, 4096))
      ->type_name("N");
}

namespace {

/// Beside the load, which leaves a processor idle half of the time.
std::future<uint64_t> hash_beside(const std::string& path) {
  return std::async(std::launch::async, [path] {
    const auto file = MappedFile::open(path);
    return file.ok() ? xxh64(file.value().bytes()) : 0;
  });
}

}  // namespace

Result<LoadedEngine> load_engine(ModelOptions options) {
  const Stopwatch watch;
  PELLUCID_TRY(std::string path, resolve_model(options.model));
  if (options.precision == "f32") options.engine.precision = kernels::Precision::kFloat32;
  options.engine.kv_type = kernels::kv_type_named(options.kv_type).value_or(options.engine.kv_type);
  std::future<uint64_t> hash;
  if (options.hash) hash = hash_beside(path);
  PELLUCID_TRY(auto engine, generation::Engine::load(path, options.engine));
  LoadedEngine loaded{std::move(engine), std::move(path)};
  if (options.hash) loaded.hash = hash.get();
  loaded.load_ms = watch.milliseconds();
  return loaded;
}

namespace {

std::function<void(const std::string&)> remember(SamplingOptions& options, std::string_view name) {
  return [&options, name](const std::string& text) { options.given.emplace_back(name, text); };
}

std::function<void(const std::vector<std::string>&)> remember_all(SamplingOptions& options,
                                                                  std::string_view name) {
  return [&options, name](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) options.given.emplace_back(name, text);
  };
}

bool is_empty_by_default(const sampling::SettingRow& row) {
  const bool is_one_number = std::holds_alternative<double sampling::Settings::*>(row.field) ||
                             std::holds_alternative<int32_t sampling::Settings::*>(row.field);
  return !is_one_number && row.choices.empty() && sampling::value(sampling::Settings{}, row) == 0;
}

std::string not_empty(const std::string& text) {
  return text.empty() ? "it is empty (left out, there is none)" : "";
}

}  // namespace

void add_stage_options(CLI::App& command, sampling::StageId id, SamplingOptions& options) {
  const sampling::StageRow& stage = sampling::row(id);
  for (const sampling::SettingRow& row : stage.settings) {
    CLI::Option* const option = row.adds_up
                                    ? command
                                          .add_option_function<std::vector<std::string>>(
                                              flags_of(row), remember_all(options, row.name), help_of(row))
                                          ->allow_extra_args(false)
                                    : command.add_option_function<std::string>(
                                          flags_of(row), remember(options, row.name), help_of(row));
    // Nothing, of a variable that is not set, say, must not be taken for no constraint.
    if (is_empty_by_default(row)) option->check(CLI::Validator(not_empty, "", "not empty"));
    option->type_name(type_name_of(row))->group(std::string(sampling::group_title(stage.group)));
  }
}

void add_sampling_options(CLI::App& command, SamplingOptions& options) {
  for (const sampling::StageGroup group : sampling::kStageGroups) {
    for (const sampling::StageRow& stage : sampling::stages()) {
      if (stage.group == group) add_stage_options(command, stage.id, options);
    }
  }
  const std::string basic(sampling::group_title(sampling::StageGroup::kBasic));
  command
      .add_option_function<std::string>("--order,--samplers", remember(options, "order"),
                                        "stages in the order they run; those left out don't")
      ->type_name("A,B,...")
      ->group(basic);
  add_dialect_option(command, options)->group(basic);
  command.add_option("-s,--seed", options.seed, "seed of the draws (default: random, and reported)")
      ->transform(whole_number(0, std::numeric_limits<uint64_t>::max()))
      ->type_name("N")
      ->group(basic);
}

CLI::Option* add_dialect_option(CLI::App& command, SamplingOptions& options) {
  std::vector<std::string_view> dialects;
  for (const sampling::Dialect& dialect : sampling::dialects()) dialects.push_back(dialect.name);
  return command
      .add_option("--dialect", options.dialect,
                  fmt::format("order, rules and defaults of another engine, for the options to change: {}",
                              fmt::join(dialects, ", ")))
      ->type_name("NAME");
}

Result<std::string> setting_text(std::string_view name, std::string_view text) {
  const sampling::SettingRow* row = sampling::find_setting(name);
  if (row == nullptr || !row->may_be_file || !text.starts_with('@')) return std::string(text);
  PELLUCID_TRY(const MappedFile file, MappedFile::open(std::string(text.substr(1))));
  const std::span<const std::byte> bytes = file.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

namespace {

using GivenSettings = std::vector<std::pair<std::string, std::string>>;

/// Of the settings that add up when they are given again, one with all values.
GivenSettings added_up(const GivenSettings& given) {
  GivenSettings all;
  for (const auto& [name, text] : given) {
    const sampling::SettingRow* row = sampling::find_setting(name);
    const auto before = std::ranges::find_if(all, [row](const auto& one) {
      return row != nullptr && row->adds_up && sampling::find_setting(one.first) == row;
    });
    if (before == all.end()) {
      all.emplace_back(name, text);
    } else {
      before->second += ',' + text;
    }
  }
  return all;
}

}  // namespace

Result<sampling::Settings> apply(const SamplingOptions& options, sampling::Settings base) {
  PELLUCID_TRY(sampling::Settings settings, apply_where_known(options, std::move(base)));
  for (const auto& [name, text] : options.given) PELLUCID_CHECK(sampling::check_heeded(settings, name));
  return settings;
}

Result<sampling::Settings> apply_where_known(const SamplingOptions& options, sampling::Settings base) {
  if (options.dialect) {
    PELLUCID_TRY(base, sampling::dialect_settings(*options.dialect, base));
  }
  for (const auto& [name, text] : added_up(options.given)) {
    PELLUCID_TRY(const std::string value, setting_text(name, text));
    PELLUCID_CHECK(sampling::set(base, name, value));
  }
  PELLUCID_CHECK(sampling::check(base));
  return base;
}

uint64_t seed_or_random(const SamplingOptions& options) {
  if (options.seed) return *options.seed;
  std::random_device entropy;
  // 53 bits: a JSON reader that knows only doubles can hand the seed back.
  return (uint64_t{entropy()} << 32 | entropy()) >> 11;
}

CLI::Option* add_now_option(CLI::App& command, std::optional<std::string>& now) {
  return command
      .add_option(
          "--now", now,
          "the local time that a chat template may write, e.g. 2026-01-02T03:04:05 (default: the clock's)")
      ->type_name("TIME");
}

void add_colour_option(CLI::App& command, ColourChoice& colour) {
  command.add_option("--color,--colour", colour, "auto, always or never; NO_COLOR counts for auto")
      ->transform(one_of({{"auto", static_cast<int>(ColourChoice::kAuto)},
                          {"always", static_cast<int>(ColourChoice::kAlways)},
                          {"never", static_cast<int>(ColourChoice::kNever)}}))
      ->type_name("WHEN");
}

void add_format_option(CLI::App& command, Format& format) {
  command.add_option("--format", format, "text or json")
      ->transform(
          one_of({{"text", static_cast<int>(Format::kText)}, {"json", static_cast<int>(Format::kJson)}}))
      ->type_name("FORM");
}

Result<std::string> text_or_stdin(const std::optional<std::string>& text) {
  if (text) return *text;
  std::string all;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof(buffer), stdin)) all.append(buffer, n);
  if (std::ferror(stdin) != 0)
    return Error{ErrorCode::kIo, "cannot read standard input", std::strerror(errno)};
  return all;
}

Result<std::vector<int32_t>> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  const char* p = text.data();
  const char* const end = p + text.size();
  const auto skip = [&] {
    while (p != end && std::strchr(", \t\r\n", *p) != nullptr) ++p;
  };
  for (skip(); p != end; skip()) {
    int32_t id = 0;
    const auto [next, status] = std::from_chars(p, end, id);
    if (status != std::errc() || (next != end && std::strchr(", \t\r\n", *next) == nullptr)) {
      return Error{ErrorCode::kUsage, "not a list of token ids", "at " + in_quotes(std::string_view(p, end))};
    }
    ids.push_back(id);
    p = next;
  }
  return ids;
}

}  // namespace pellucid::cli
