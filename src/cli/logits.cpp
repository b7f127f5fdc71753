// pellucid logits: the logits of every position of a prompt, as a NumPy file; and every step of the forward
// pass on the way.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/npy.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/tap_file.h"

namespace pellucid::cli {
namespace {

struct LogitsCommand {
  std::optional<std::string> prompt;
  std::optional<std::string> tokens;
  std::string output;
  std::string tap;
  ModelOptions model;
};

Result<std::vector<int32_t>> prompt_ids(const LogitsCommand& command, const generation::Engine& engine) {
  if (command.tokens) return parse_ids(*command.tokens);
  PELLUCID_TRY(const std::string text, text_or_stdin(command.prompt));
  return engine.tokenizer().encode(text);
}

Result<int> logits(const LogitsCommand& command) {
  PELLUCID_TRY(LoadedEngine loaded, load_engine(command.model));
  generation::Engine& engine = *loaded.engine;
  PELLUCID_TRY(const std::vector<int32_t> ids, prompt_ids(command, engine));
  PELLUCID_TRY(FileWriter file, FileWriter::create(command.output));
  const std::string header = npy_header(ids.size(), static_cast<size_t>(engine.n_vocab()));
  PELLUCID_CHECK(file.write(header.data(), header.size()));
  std::optional<TapFile> tap;
  if (!command.tap.empty()) {
    PELLUCID_TRY(tap, TapFile::create(command.tap));
  }
  const auto sink = [&](int, std::span<const float> rows, int) {
    return file.write(rows.data(), rows.size_bytes());
  };
  const InterruptFlag interrupt;  // so that Ctrl-C leaves no half of a file
  generation::Sequence sequence = engine.new_sequence();
  PELLUCID_CHECK(engine.extend(sequence, ids, generation::Want::kAll, sink, tap ? tap->tap() : model::Tap{},
                               [&interrupt] { return interrupt.raised(); }));
  if (interrupt.raised()) return kInterrupted;
  if (tap) PELLUCID_CHECK(tap->finish());
  PELLUCID_CHECK(file.finish());
  fmt::print(stderr, "[{} positions x {} tokens of vocabulary -> {}]\n", ids.size(), engine.n_vocab(),
             command.output);
  return 0;
}

}  // namespace

void add_logits(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("logits", "Logits of every position of a prompt, as a NumPy file");
  const auto options = std::make_shared<LogitsCommand>();
  CLI::Option* prompt =
      command->add_option("prompt", options->prompt, "the prompt (default: standard input)");
  command->add_option("--tokens", options->tokens, "token ids instead of a prompt: 1,2,3")
      ->type_name("IDS")
      ->excludes(prompt);
  command->add_option("-o,--output", options->output, "the .npy file, float32 [tokens, vocabulary]")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--tap", options->tap, "dump every step of the forward pass (see scripts/compare_taps.py)")
      ->type_name("FILE");
  add_model_options(*command, options->model);
  command->callback([options, &action] { action = [options] { return logits(*options); }; });
}

}  // namespace pellucid::cli
