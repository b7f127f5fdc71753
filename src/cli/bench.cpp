// pellucid bench: prefill and decode rates at depths, beside what the machine can read and multiply at most.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/stopwatch.h"
#include "cli/bandwidth.h"
#include "cli/bench_costs.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/integer_peak.h"
#include "cli/json.h"
#include "cli/options.h"

namespace pellucid::cli {
namespace {

constexpr int kWarmUpTokens = 8;

struct BenchCommand {
  std::vector<int> prompts{512};
  std::vector<int> depths{0};
  std::vector<int> batches{1};
  int n_gen = 128;
  int repeats = 5;
  std::vector<int> threads{0};
  ModelOptions model;
  Format format = Format::kText;
};

struct Probes {
  BandwidthProbe bandwidth;
  IntegerPeakProbe integer;
};

/// Which of the machine's limits a test is held against.
enum class Limit { kBandwidth, kInteger };

/// One test at one thread count, and what each repeat measured: the rate, and the limit probed beside it.
struct Measurement {
  std::string test;
  int n_prompt = 0;
  int n_gen = 0;
  int depth = 0;
  int sequences = 1;
  int threads = 0;
  Limit limit = Limit::kBandwidth;
  double cost = 0;                 // bytes or multiply-adds of a token
  double kv_cost = 0;              // of the bytes, those of keys and values
  std::vector<double> rates;       // tokens per second, of all sequences together
  std::vector<double> limits;      // bytes or multiply-adds per second
  std::vector<double> in_streams;  // bytes per second, read in several streams
  std::vector<double> products;    // multiply-adds per second while threads are in products of matrices
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double smallest(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }
double largest(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

/// Bytes or multiply-adds a second that the median rate stands for.
double used(const Measurement& m) { return median(m.rates) * m.cost; }
double share(const Measurement& m) { return used(m) / median(m.limits); }
double share_of_products(const Measurement& m) { return median(m.products) / median(m.limits); }

/// Refused before anything is measured: a test that does not fit the context.
Result<void> check_room(const BenchCommand& command, int n_ctx) {
  const int64_t deepest = *std::max_element(command.depths.begin(), command.depths.end());
  const int64_t longest = *std::max_element(command.prompts.begin(), command.prompts.end());
  const int64_t needed = deepest + std::max<int64_t>(longest, command.n_gen);
  if (needed <= n_ctx) return {};
  return Error{ErrorCode::kContext, "a test does not fit the context",
               fmt::format("{} positions are needed, the context holds {}", needed, n_ctx)};
}

/// Ids spread over the vocabulary: what they are does not matter to the speed.
std::vector<int32_t> some_tokens(const generation::Engine& engine, int n) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<int32_t>((i * 7919 + 17) % static_cast<size_t>(engine.n_vocab()));
  return ids;
}

/// The tests of one engine. A repeat walks the depths upwards on one sequence, so that a context is filled
/// once.
class Bench {
 public:
  Bench(const BenchCommand& command, generation::Engine& engine, const Probes& probes,
        const InterruptFlag& interrupt)
      : command_(command),
        engine_(engine),
        probes_(probes),
        interrupt_(interrupt),
        pool_(engine.options().n_threads) {
    for (const int depth : command.depths) {
      for (const int n : command.prompts) {
        if (n > 0) done_.push_back(prefill_test(depth, n));
      }
      for (const int n : command.batches) {
        if (command.n_gen > 0) done_.push_back(decode_test(depth, n));
      }
    }
  }

  /// What it measured, which is to be thrown away if it was interrupted.
  Result<std::vector<Measurement>> run() {
    PELLUCID_CHECK(warm_up());
    for (int repeat = 0; repeat < command_.repeats && !interrupt_.raised(); ++repeat) {
      const BandwidthProbe::Rates bandwidth = probes_.bandwidth.measure(pool_);
      const double integer = probes_.integer.measure(pool_);
      generation::Sequence sequence = engine_.new_sequence();
      for (Measurement& m : done_) {
        PELLUCID_CHECK(prefill(sequence, m.depth - static_cast<int>(sequence.tokens.size())));
        PELLUCID_TRY(const double rate, rate_of(m, sequence));
        if (interrupt_.raised()) break;
        sequence.truncate(m.depth);
        if (m.limit == Limit::kInteger) {
          PELLUCID_TRY(const double products, rate_in_products(m, sequence));
          sequence.truncate(m.depth);
          m.products.push_back(products);
        }
        if (interrupt_.raised()) break;
        m.rates.push_back(rate);
        m.limits.push_back(m.limit == Limit::kBandwidth ? bandwidth.in_a_row : integer);
        m.in_streams.push_back(bandwidth.in_streams);
      }
    }
    return done_;
  }

 private:
  [[nodiscard]] Measurement prefill_test(int depth, int n) const {
    const double cost = macs_of_prompt(engine_, n) / n;
    return {"prefill", n, 0, depth, 1, pool_.size(), Limit::kInteger, cost, 0, {}, {}, {}, {}};
  }

  [[nodiscard]] Measurement decode_test(int depth, int sequences) const {
    const int n = command_.n_gen;
    const double kv_cost = kv_bytes(engine_, depth + (n + 1) / 2.0);
    const double cost = weight_bytes(engine_) / sequences + kv_cost;
    return {"decode", 0, n, depth, sequences, pool_.size(), Limit::kBandwidth, cost, kv_cost, {}, {}, {}, {}};
  }

  Result<void> warm_up() {
    generation::Sequence sequence = engine_.new_sequence();
    PELLUCID_CHECK(prefill(sequence, *std::max_element(command_.prompts.begin(), command_.prompts.end())));
    return decode(sequence, 1, std::min(command_.n_gen, kWarmUpTokens));
  }

  Result<double> rate_of(const Measurement& m, generation::Sequence& sequence) {
    const Stopwatch watch;
    PELLUCID_CHECK(prefill(sequence, m.n_prompt));
    PELLUCID_CHECK(decode(sequence, m.sequences, m.n_gen));
    return (m.n_prompt + m.n_gen * m.sequences) / watch.seconds();
  }

  /// Multiply-adds a second while threads are in products of matrices: in a prefill of its own, so that what
  /// it takes to measure that does not count elsewhere.
  Result<double> rate_in_products(const Measurement& m, generation::Sequence& sequence) {
    const double before = engine_.product_seconds();
    engine_.time_products(true);
    PELLUCID_CHECK(prefill(sequence, m.n_prompt));
    engine_.time_products(false);
    return m.n_prompt * m.cost * pool_.size() / (engine_.product_seconds() - before);
  }

  Result<void> prefill(generation::Sequence& sequence, int n) {
    if (n == 0) return {};
    return engine_.extend(sequence, some_tokens(engine_, n), generation::Want::kLast, {}, {},
                          [this] { return interrupt_.raised(); });
  }

  /// n tokens after those of `sequence` in each of so many sequences, which share what is there already.
  Result<void> decode(const generation::Sequence& sequence, int sequences, int n) {
    std::vector<generation::Sequence> texts(static_cast<size_t>(sequences), sequence);
    for (const int32_t token : some_tokens(engine_, n)) {
      if (interrupt_.raised()) break;
      std::vector<generation::Run> runs;
      runs.reserve(texts.size());
      for (generation::Sequence& text : texts) runs.push_back({text, {&token, 1}});
      PELLUCID_CHECK(engine_.run(runs));
    }
    return {};
  }

  const BenchCommand& command_;
  generation::Engine& engine_;
  const Probes& probes_;
  const InterruptFlag& interrupt_;
  ThreadPool pool_;  // of the probes: as many threads as the engine has
  std::vector<Measurement> done_;
};

boost::json::array to_giga(const std::vector<double>& values) {
  boost::json::array array;
  for (const double value : values) array.emplace_back(value / 1e9);
  return array;
}

boost::json::object to_json(const Measurement& m) {
  boost::json::object row{{"test", m.test},
                          {"n_prompt", m.n_prompt},
                          {"n_gen", m.n_gen},
                          {"depth", m.depth},
                          {"sequences", m.sequences},
                          {"threads", m.threads},
                          {"tokens_per_s", median(m.rates)},
                          {"min", smallest(m.rates)},
                          {"max", largest(m.rates)},
                          {"each", boost::json::array(m.rates.begin(), m.rates.end())},
                          {"gb_per_s", nullptr},
                          {"bandwidth_share", nullptr},
                          {"gmac_per_s", nullptr},
                          {"integer_share", nullptr},
                          {"integer_share_of_products", nullptr}};
  if (m.limit == Limit::kBandwidth) {
    row["gb_per_s"] = used(m) / 1e9;
    row["bandwidth_share"] = share(m);
    row["bytes_per_token"] = m.cost;
    row["kv_bytes_per_token"] = m.kv_cost;
    row["bandwidth_gb_per_s"] = to_giga(m.limits);
    row["bandwidth_in_streams_gb_per_s"] = to_giga(m.in_streams);
  } else {
    row["gmac_per_s"] = used(m) / 1e9;
    row["integer_share"] = share(m);
    row["integer_share_of_products"] = share_of_products(m);
    row["products_gmac_per_s"] = to_giga(m.products);
    row["macs_per_token"] = m.cost;
    row["integer_gmac_per_s"] = to_giga(m.limits);
  }
  return row;
}

constexpr std::string_view kHeading = "test         n  depth  seqs   t  tokens/s      min .. max\n";

std::string to_text(const Measurement& m) {
  const bool reads = m.limit == Limit::kBandwidth;
  const std::string more = reads ? fmt::format("; {:.1f}", median(m.in_streams) / 1e9)
                                 : fmt::format("; {:.0f} % in products", 100 * share_of_products(m));
  return fmt::format(
      "{:<8} {:>5} {:>6} {:>5} {:>3} {:>9.1f}  {:>7.1f} .. {:<7.1f}  {:>6.1f} {:<6} {:>3.0f} % of {:.1f}{}\n",
      m.test, m.n_prompt + m.n_gen, m.depth, m.sequences, m.threads, median(m.rates), smallest(m.rates),
      largest(m.rates), used(m) / 1e9, reads ? "GB/s" : "GMAC/s", 100 * share(m), median(m.limits) / 1e9,
      more);
}

Result<void> print_text(const std::vector<Measurement>& measured) {
  for (const Measurement& m : measured) PELLUCID_CHECK(write_output(to_text(m)));
  return flush_output();
}

Result<void> print_machine(std::string_view simd, const Probes& probes) {
  PELLUCID_CHECK(write_output(
      fmt::format("kernels: {}; the machine is probed with {} (GB/s: in a row; in {} streams) and {} (int8 "
                  "multiply-adds)\n{}",
                  simd, probes.bandwidth.how(), BandwidthProbe::kStreams, probes.integer.how(), kHeading)));
  return flush_output();
}

Result<int> bench(BenchCommand command) {
  std::sort(command.depths.begin(), command.depths.end());
  boost::json::array results;
  boost::json::object report;
  const InterruptFlag interrupt;
  for (const int n_threads : command.threads) {
    ModelOptions options = command.model;
    options.engine.n_threads = n_threads;
    PELLUCID_TRY(const LoadedEngine loaded, load_engine(options));
    PELLUCID_CHECK(check_room(command, loaded.engine->options().n_ctx));
    const Probes probes;
    const std::string_view simd = loaded.engine->model().kernels->name;
    if (command.format == Format::kText && report.empty()) PELLUCID_CHECK(print_machine(simd, probes));
    report["simd"] = simd;
    report["bandwidth_probe"] = probes.bandwidth.how();
    report["integer_probe"] = probes.integer.how();
    PELLUCID_TRY(const std::vector<Measurement> measured,
                 Bench(command, *loaded.engine, probes, interrupt).run());
    if (interrupt.raised()) return kInterrupted;
    if (command.format == Format::kText) PELLUCID_CHECK(print_text(measured));
    for (const Measurement& m : measured) results.push_back(to_json(m));
  }
  report["results"] = std::move(results);
  if (command.format == Format::kJson) PELLUCID_CHECK(write_json(report));
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("bench", "Prefill and decode rates, and their share of what the machine can do");
  const auto options = std::make_shared<BenchCommand>();
  const CLI::Validator count = whole_number(0, std::numeric_limits<int>::max());
  const auto add_counts = [&](const std::string& name, std::vector<int>& counts, const std::string& help) {
    command->add_option(name, counts, help)
        ->delimiter(',')
        ->capture_default_str()
        ->transform(count)
        ->type_name("N,...");
  };
  add_counts("-p,--prompt", options->prompts, "tokens of the prefill tests; 0: none");
  add_counts("-d,--depth", options->depths, "tokens already in the context, for each test");
  command->add_option("-s,--sequences", options->batches, "texts that decode together, for each decode test")
      ->delimiter(',')
      ->capture_default_str()
      ->transform(whole_number(1, generation::Engine::kMaxPass))
      ->type_name("N,...");
  command->add_option("-n,--gen", options->n_gen, "tokens of the decode tests; 0: none")
      ->capture_default_str()
      ->transform(count)
      ->type_name("N");
  command->add_option("-r,--repeats", options->repeats, "measured repeats, after one to warm up")
      ->capture_default_str()
      ->transform(whole_number(1, 1000))
      ->type_name("N");
  add_model_options(*command, options->model);
  command->remove_option(command->get_option("--threads"));
  command->add_option("-t,--threads", options->threads, "thread counts (default: the processors it may use)")
      ->delimiter(',')
      ->transform(whole_number(1, 1024))
      ->type_name("N,...");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return bench(*options); }; });
}

}  // namespace pellucid::cli
