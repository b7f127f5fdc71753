// pellucid settings: what may be set, with defaults and ranges.
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/settings_schema.h"

namespace pellucid::cli {

void add_settings(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("settings", "Every setting of the sampling chain, and the dialects");
  const auto format = std::make_shared<Format>(Format::kText);
  add_format_option(*command, *format);
  command->callback([format, &action] {
    action = [format]() -> Result<int> {
      PELLUCID_CHECK(*format == Format::kJson ? write_json(settings_schema())
                                              : write_output(settings_markdown()));
      return 0;
    };
  });
}

}  // namespace pellucid::cli
