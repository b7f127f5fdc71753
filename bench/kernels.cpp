// How close the kernels come to the machine: products of one token against the read bandwidth measured in the
// same run, products of many tokens in multiply-adds a second, attention. One thread; PELLUCID_SIMD chooses
// the level.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstring>
#include <random>
#include <vector>

#include "kernels/quantized_buffer.h"

namespace pellucid::kernels {
namespace {

using benchmark::Counter;

constexpr size_t kStreamBytes = size_t{256} << 20;  // larger than any cache
constexpr int kTaskGroups = 12;                     // groups of rows a call of the model layer hands over

const KernelTable& table() {
  static const KernelTable* const chosen = [] {
    auto result = choose_table();
    return result.ok() ? result.value() : available_tables().front();
  }();
  return *chosen;
}

// What one core can read if it does nothing else: the C library's search, with the widest vectors of the
// machine, for a byte that is not there.
void read_bandwidth(benchmark::State& state) {
  AlignedBuffer<char> data(kStreamBytes);
  std::memset(data.data(), 1, kStreamBytes);
  for (auto _ : state) benchmark::DoNotOptimize(std::memchr(data.data(), 2, kStreamBytes));
  state.counters["GB/s"] =
      Counter(static_cast<double>(kStreamBytes) / 1e9, Counter::kIsIterationInvariantRate);
}

struct Problem {
  PackedMatrix weights;
  std::vector<float> floats;
  QuantizedBuffer quantized;
  std::vector<float> y;

  Problem(TensorType type, int n_rows, int n_cols, int n_tokens)
      : floats(static_cast<size_t>(n_tokens) * n_cols),
        quantized(static_cast<size_t>(n_tokens), static_cast<size_t>(n_cols)),
        y(static_cast<size_t>(n_tokens) * n_rows) {
    std::mt19937 rng(1);
    std::normal_distribution<float> normal;
    for (float& x : floats) x = normal(rng);
    const TensorTypeInfo& row = info(type);
    std::vector<std::byte> data(static_cast<size_t>(n_rows) * n_cols / row.block_values * row.block_bytes);
    for (std::byte& b : data) b = static_cast<std::byte>(rng() & 0x2F);  // halves and floats stay finite
    ThreadPool pool(1);
    Arena arena;
    weights = pack(type, data, n_rows, n_cols, Precision::kNative, arena, pool);
    table().quantize(floats.data(), n_cols, n_tokens, {0, n_cols, n_cols}, activations().quantized);
  }

  [[nodiscard]] Activations activations() {
    const int n_tokens = static_cast<int>(floats.size()) / weights.n_cols;
    return {floats.data(), quantized.rows(), n_tokens, weights.n_cols};
  }

  // As the model layer does it: one token in turns from several runs of groups.
  void run() {
    const auto [runs, rest] = group_runs(weights, activations().n_tokens == 1 ? table().streams : 1);
    const int step = kTaskGroups / runs.n_runs;
    for (int g = 0; g < runs.end; g += step) {
      const int end = std::min(g + step, runs.end);
      multiply({g, end, runs.n_runs, runs.stride});
    }
    if (rest.begin < rest.end) multiply(rest);
  }

 private:
  void multiply(const Groups& groups) {
    table().matmul(weights, activations(), y.data() + ptrdiff_t{groups.begin} * kLanes, weights.n_rows,
                   groups);
  }
};

// One token: as many rows as make the matrix far larger than the caches.
void one_token(benchmark::State& state, TensorType type, int n_cols) {
  const TensorTypeInfo& row = info(type);
  const size_t row_bytes = static_cast<size_t>(n_cols) / row.block_values * row.block_bytes;
  Problem problem(type, static_cast<int>(kStreamBytes / 2 / row_bytes) / 16 * 16, n_cols, 1);
  for (auto _ : state) problem.run();
  const auto bytes = static_cast<double>(problem.weights.n_bytes());
  state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsIterationInvariantRate);
}

void many_tokens(benchmark::State& state, TensorType type, int n_tokens, int n_rows, int n_cols) {
  Problem problem(type, n_rows, n_cols, n_tokens);
  for (auto _ : state) problem.run();
  const double macs = static_cast<double>(n_rows) * n_cols * n_tokens;
  state.counters["GMAC/s"] = Counter(macs / 1e9, Counter::kIsIterationInvariantRate);
}

// The queries of one token that share a kv head, at a depth: of one kv head, or of as many in turn as make
// the cache far larger than the processor's, which is what a token meets after the weights.
void attention(benchmark::State& state, KvType type, int n_heads, int head_dim, int depth, bool in_memory) {
  std::mt19937 rng(1);
  std::normal_distribution<float> normal;
  std::vector<float> q(static_cast<size_t>(n_heads) * head_dim);
  for (float& x : q) x = normal(rng);
  const int n_pages = (depth + kPagePositions - 1) / kPagePositions;
  const int64_t page_bytes = kv_page_bytes(type, head_dim);
  const int64_t set_bytes = n_pages * page_bytes;
  const int n_sets = in_memory ? std::max(1, static_cast<int>(int64_t{kStreamBytes} / 2 / set_bytes)) : 1;
  AlignedBuffer<std::byte> cache(static_cast<size_t>(n_sets * set_bytes));
  const auto page = [&](int set, int p) { return cache.data() + (int64_t{p} * n_sets + set) * page_bytes; };
  std::vector<std::vector<const std::byte*>> pages(n_sets);
  for (int set = 0; set < n_sets; ++set) {
    for (int p = 0; p < n_pages; ++p) pages[set].push_back(page(set, p));
    for (int i = 0; i < depth; ++i) {
      table().store_kv(q.data(), q.data(), head_dim, type, i % kPagePositions, page(set, i / kPagePositions));
    }
  }
  std::vector<float> out(q.size());
  std::vector<AttentionPart> parts(n_heads);
  int set = 0;
  for (auto _ : state) {
    const int next = (set + 1) % n_sets;
    table().attention({q.data(), out.data(), parts.data(), pages[set].data(), type, n_heads, head_dim, 0,
                       depth, 0.125F, pages[next].data(), n_pages});
    set = next;
  }
  const double macs = 2.0 * n_heads * head_dim * depth;
  state.counters["GMAC/s"] = Counter(macs / 1e9, Counter::kIsIterationInvariantRate);
}

// The tokens of a run after 256 others.
void attention_run(benchmark::State& state, KvType type, int n_heads, int head_dim) {
  std::mt19937 rng(1);
  std::normal_distribution<float> normal;
  const int n_tokens = kRunRows / n_heads;
  constexpr int kDepth = 256;
  std::vector<float> q(static_cast<size_t>(kRunRows) * head_dim);
  for (float& x : q) x = normal(rng);
  const int64_t page_bytes = kv_page_bytes(type, head_dim);
  constexpr int kPages = (kDepth + kRunRows + kPagePositions - 1) / kPagePositions;
  AlignedBuffer<std::byte> cache(static_cast<size_t>(kPages * page_bytes));
  std::vector<const std::byte*> pages;
  for (int p = 0; p < kPages; ++p) pages.push_back(cache.data() + p * page_bytes);
  for (int i = 0; i < kDepth + n_tokens; ++i) {
    table().store_kv(q.data(), q.data(), head_dim, type, i % kPagePositions,
                     cache.data() + i / kPagePositions * page_bytes);
  }
  std::vector<float> out(q.size());
  const int64_t stride = int64_t{n_heads} * head_dim;
  for (auto _ : state) {
    table().attention_run(
        {q.data(), out.data(), stride, pages.data(), type, n_heads, head_dim, n_tokens, kDepth, 0, 0.125F});
  }
  const double macs = 2.0 * n_tokens * n_heads * head_dim * (kDepth + (n_tokens + 1) / 2.0);
  state.counters["GMAC/s"] = Counter(macs / 1e9, Counter::kIsIterationInvariantRate);
}

void quantize(benchmark::State& state) {
  Problem problem(TensorType::kQ8_0, 16, 576, 512);
  for (auto _ : state)
    table().quantize(problem.floats.data(), 576, 512, {0, 576, 576}, problem.activations().quantized);
  state.counters["Gvalues/s"] = Counter(512 * 576 / 1e9, Counter::kIsIterationInvariantRate);
}

void register_all() {
  benchmark::RegisterBenchmark("read_bandwidth", read_bandwidth);
  for (const TensorTypeInfo& row : kTensorTypes) {
    const int n_cols = row.block_values == 256 ? 2048 : 576;
    benchmark::RegisterBenchmark(fmt::format("1_token/{}", row.name).c_str(), one_token, row.type, n_cols);
  }
  for (const int n_tokens : {2, 4, 8, 16, 64, 512}) {
    for (const TensorTypeInfo& row : kTensorTypes) {
      const int n_cols = row.block_values == 256 ? 2048 : 576;
      benchmark::RegisterBenchmark(fmt::format("{}_tokens/{}", n_tokens, row.name).c_str(), many_tokens,
                                   row.type, n_tokens, 1536, n_cols);
    }
  }
  constexpr std::array<std::array<int, 2>, 4> kShapes{
      {{3, 64}, {4, 256}, {8, 64}, {1, 128}}};  // heads, head_dim
  for (const bool in_memory : {false, true}) {
    for (const auto [n_heads, head_dim] : kShapes) {
      for (const KvType type : {KvType::kF16, KvType::kF32, KvType::kQ8_0}) {
        const auto name = fmt::format("attention/{}/{}x{}{}", kKvTypeNames[static_cast<int>(type)], n_heads,
                                      head_dim, in_memory ? "/memory" : "");
        benchmark::RegisterBenchmark(name.c_str(), attention, type, n_heads, head_dim, in_memory ? 2048 : 256,
                                     in_memory);
      }
    }
  }
  for (const auto [n_heads, head_dim] : kShapes) {
    for (const KvType type : {KvType::kF16, KvType::kF32}) {
      const auto name =
          fmt::format("attention_run/{}/{}x{}", kKvTypeNames[static_cast<int>(type)], n_heads, head_dim);
      benchmark::RegisterBenchmark(name.c_str(), attention_run, type, n_heads, head_dim);
    }
  }
  benchmark::RegisterBenchmark("quantize/512x576", quantize);
}

}  // namespace
}  // namespace pellucid::kernels

int main(int argc, char** argv) {
  pellucid::kernels::register_all();
  benchmark::AddCustomContext("simd", std::string(pellucid::kernels::table().name));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
