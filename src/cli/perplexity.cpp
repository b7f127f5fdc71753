// pellucid perplexity: how well a model predicts a text file.
#include "generation/perplexity.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/mapped_file.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"

namespace pellucid::cli {
namespace {

struct PerplexityCommand {
  std::string path;
  int window = 512;
  ModelOptions model;
  Format format = Format::kText;
};

Result<int> perplexity(const PerplexityCommand& command) {
  PELLUCID_TRY(const MappedFile file, MappedFile::open(command.path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  PELLUCID_TRY(LoadedEngine loaded, load_engine(command.model));
  PELLUCID_TRY(const std::vector<int32_t> ids, loaded.engine->tokenizer().encode(text));
  const bool watched = ::isatty(STDERR_FILENO) != 0;
  const auto progress = [&](const generation::Perplexity& so_far) {
    if (watched) fmt::print(stderr, "\r[window {}: {:.4f}]", so_far.n_windows, so_far.perplexity);
  };
  const InterruptFlag interrupt;
  PELLUCID_TRY(const generation::Perplexity done,
               generation::perplexity(*loaded.engine, ids, command.window, progress,
                                      [&interrupt] { return interrupt.raised(); }));
  if (watched) fmt::print(stderr, "\n");
  if (interrupt.raised()) return kInterrupted;
  if (command.format == Format::kJson) {
    PELLUCID_CHECK(write_json(boost::json::object{{"model", loaded.path},
                                                  {"perplexity", done.perplexity},
                                                  {"standard_error", done.standard_error},
                                                  {"mean_nll", done.mean_nll},
                                                  {"tokens", ids.size()},
                                                  {"scored", done.n_scored},
                                                  {"windows", done.n_windows},
                                                  {"window", command.window}}));
  } else {
    PELLUCID_CHECK(write_output(
        fmt::format("perplexity {:.4f} +- {:.4f} ({} tokens scored in {} windows of {})\n", done.perplexity,
                    done.standard_error, done.n_scored, done.n_windows, command.window)));
  }
  return 0;
}

}  // namespace

void add_perplexity(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("perplexity", "How well the model predicts a text file");
  const auto options = std::make_shared<PerplexityCommand>();
  command->add_option("file", options->path, "the text")->required();
  command->add_option("--window", options->window, "tokens of a window; its second half is scored")
      ->transform(whole_number(4, std::numeric_limits<int>::max()))
      ->type_name("N")
      ->capture_default_str();
  add_model_options(*command, options->model);
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return perplexity(*options); }; });
}

}  // namespace pellucid::cli
