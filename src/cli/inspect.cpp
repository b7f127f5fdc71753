// pellucid inspect: what a model file holds.
#include "cli/commands.h"
#include "cli/inspect_report.h"
#include "cli/json.h"
#include "cli/model_path.h"
#include "cli/options.h"

namespace pellucid::cli {
namespace {

struct InspectCommand {
  std::string model;
  Format format = Format::kText;
};

Result<int> inspect(const InspectCommand& command) {
  PELLUCID_TRY(const std::string path, resolve_model(command.model));
  PELLUCID_TRY(const gguf::File file, gguf::File::open(path));
  if (command.format == Format::kJson) {
    PELLUCID_CHECK(write_json(inspect_json(file)));
  } else {
    PELLUCID_CHECK(write_output(inspect_text(file)));
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("inspect", "What a model file holds");
  const auto options = std::make_shared<InspectCommand>();
  command->add_option("model,-m,--model", options->model, "a GGUF file, or the name of one in the cache");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return inspect(*options); }; });
}

}  // namespace pellucid::cli
