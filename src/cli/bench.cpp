// pellucid bench: prefill and decode rates, and the share of the machine's read bandwidth that decoding
// reaches.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "cli/bandwidth.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/options.h"

namespace pellucid::cli {
namespace {

struct BenchCommand {
  int n_prompt = 512;
  int n_gen = 128;
  int depth = 0;
  int repeats = 5;
  std::vector<int> threads;
  ModelOptions model;
  Format format = Format::kText;
};

/// One measured test: rates in tokens per second, one for each repeat, and the bandwidth probed beside each.
struct Measurement {
  std::string test;
  int n_prompt = 0;
  int n_gen = 0;
  int threads = 0;
  std::vector<double> rates;
  std::vector<double> bandwidths;  // bytes per second
  double bytes_per_token = 0;      // 0 where reading is not what bounds it
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/// Bytes that one decoded token reads: every weight matrix but the embedding (unless it makes the logits
/// too), and the keys and values of `positions` positions.
double bytes_per_token(const generation::Engine& engine, double positions) {
  const model::Weights& weights = engine.model().weights;
  double bytes = static_cast<double>(weights.head().bytes.size());
  for (const model::LayerWeights& layer : weights.layers) {
    for (const model::Linear* linear : {&layer.attn_q, &layer.attn_k, &layer.attn_v, &layer.attn_output,
                                        &layer.ffn_gate, &layer.ffn_up, &layer.ffn_down}) {
      bytes += static_cast<double>(linear->weight.bytes.size());
    }
  }
  const model::ArchSpec& spec = engine.model().spec;
  for (int layer = 0; layer < spec.n_layers; ++layer) {
    const double visible =
        spec.is_local(layer) ? std::min<double>(positions, spec.attention.window) : positions;
    const double element = engine.options().kv_type == kernels::KvType::kF16 ? 2.0 : 4.0;
    bytes += 2.0 * element * spec.kv_width() * visible;
  }
  return bytes;
}

/// Ids spread over the vocabulary: what they are does not matter to the speed.
std::vector<int32_t> some_tokens(const generation::Engine& engine, int n) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<int32_t>((i * 7919 + 17) % static_cast<size_t>(engine.n_vocab()));
  return ids;
}

Result<double> seconds_of(const std::function<Result<void>()>& work) {
  const auto start = std::chrono::steady_clock::now();
  PELLUCID_CHECK(work());
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

class Bench {
 public:
  Bench(const BenchCommand& command, generation::Engine& engine, int threads)
      : command_(command), engine_(engine), threads_(threads) {}

  Result<std::vector<Measurement>> run(const BandwidthProbe& probe) {
    Measurement prefill{"prefill", command_.n_prompt, 0, threads_, {}, {}, 0};
    Measurement decode{"decode", 0, command_.n_gen, threads_, {}, {}, 0};
    decode.bytes_per_token = bytes_per_token(engine_, command_.depth + command_.n_gen / 2.0);
    for (int repeat = -1; repeat < command_.repeats; ++repeat) {  // -1 warms up
      const double bandwidth = probe.measure(threads_);
      generation::Sequence sequence = engine_.new_sequence();
      if (command_.depth > 0)
        PELLUCID_CHECK(
            engine_.extend(sequence, some_tokens(engine_, command_.depth), generation::Want::kLast, {}));
      if (command_.n_prompt > 0) {
        PELLUCID_TRY(const double seconds, seconds_of([&] {
                       return engine_.extend(sequence, some_tokens(engine_, command_.n_prompt),
                                             generation::Want::kLast, {});
                     }));
        note(prefill, repeat, command_.n_prompt / seconds, bandwidth);
        sequence.truncate(command_.depth);
      }
      if (command_.n_gen > 0) {
        if (sequence.tokens.empty())
          PELLUCID_CHECK(engine_.extend(sequence, some_tokens(engine_, 1), generation::Want::kLast, {}));
        PELLUCID_TRY(const double seconds, seconds_of([&] { return decode_tokens(sequence); }));
        note(decode, repeat, command_.n_gen / seconds, bandwidth);
      }
    }
    std::vector<Measurement> done;
    if (command_.n_prompt > 0) done.push_back(std::move(prefill));
    if (command_.n_gen > 0) done.push_back(std::move(decode));
    return done;
  }

 private:
  static void note(Measurement& m, int repeat, double rate, double bandwidth) {
    if (repeat < 0) return;
    m.rates.push_back(rate);
    m.bandwidths.push_back(bandwidth);
  }

  Result<void> decode_tokens(generation::Sequence& sequence) {
    for (const int32_t token : some_tokens(engine_, command_.n_gen)) {
      PELLUCID_CHECK(engine_.extend(sequence, {&token, 1}, generation::Want::kLast, {}));
    }
    return {};
  }

  const BenchCommand& command_;
  generation::Engine& engine_;
  int threads_;
};

boost::json::object to_json(const Measurement& m, int depth) {
  const double rate = median(m.rates);
  boost::json::object row{{"test", m.test},
                          {"n_prompt", m.n_prompt},
                          {"n_gen", m.n_gen},
                          {"depth", depth},
                          {"threads", m.threads},
                          {"tokens_per_s", rate},
                          {"min", *std::min_element(m.rates.begin(), m.rates.end())},
                          {"max", *std::max_element(m.rates.begin(), m.rates.end())},
                          {"gb_per_s", nullptr},
                          {"bandwidth_share", nullptr}};
  if (m.bytes_per_token > 0) {
    row["gb_per_s"] = rate * m.bytes_per_token / 1e9;
    row["bandwidth_share"] = rate * m.bytes_per_token / median(m.bandwidths);
  }
  return row;
}

std::string to_text(const Measurement& m, int depth) {
  const double rate = median(m.rates);
  std::string reading;
  if (m.bytes_per_token > 0) {
    const double bandwidth = median(m.bandwidths);
    reading = fmt::format("  {:6.1f} GB/s, {:3.0f} % of {:.1f}", rate * m.bytes_per_token / 1e9,
                          100 * rate * m.bytes_per_token / bandwidth, bandwidth / 1e9);
  }
  return fmt::format("{:<8} {:>5} {:>6} {:>3} {:>9.1f}  {:>7.1f} .. {:<7.1f}{}\n", m.test,
                     m.n_prompt + m.n_gen, depth, m.threads, rate,
                     *std::min_element(m.rates.begin(), m.rates.end()),
                     *std::max_element(m.rates.begin(), m.rates.end()), reading);
}

Result<int> bench(const BenchCommand& command) {
  const BandwidthProbe probe;
  std::vector<int> threads = command.threads;
  if (threads.empty()) threads.push_back(0);
  boost::json::array results;
  for (const int n_threads : threads) {
    ModelOptions options = command.model;
    options.engine.n_threads = n_threads;
    PELLUCID_TRY(LoadedEngine loaded, load_engine(options));
    Bench one(command, *loaded.engine, loaded.engine->options().n_threads);
    PELLUCID_TRY(const std::vector<Measurement> measured, one.run(probe));
    if (command.format == Format::kText && results.empty()) {
      PELLUCID_CHECK(write_output("test         n  depth   t  tokens/s      min .. max\n"));
    }
    for (const Measurement& m : measured) {
      if (command.format == Format::kText) {
        PELLUCID_CHECK(write_output(to_text(m, command.depth)));
        PELLUCID_CHECK(flush_output());
      }
      results.push_back(to_json(m, command.depth));
    }
  }
  if (command.format == Format::kJson)
    PELLUCID_CHECK(write_json(boost::json::object{{"results", std::move(results)}}));
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("bench", "Prefill and decode rates of this machine");
  const auto options = std::make_shared<BenchCommand>();
  command->add_option("-p,--prompt", options->n_prompt, "tokens of the prefill test; 0: none")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("-n,--gen", options->n_gen, "tokens of the decode test; 0: none")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("-d,--depth", options->depth, "tokens already in the context")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("-r,--repeats", options->repeats, "measured repeats, after one to warm up")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_model_options(*command, options->model);
  command->remove_option(command->get_option("--threads"));
  command->add_option("-t,--threads", options->threads, "thread counts: 1,2")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return bench(*options); }; });
}

}  // namespace pellucid::cli
