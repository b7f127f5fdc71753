#include "trace/logits_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "base/xxh64.h"
#include "kernels/packed.h"

namespace pellucid::trace {
namespace {

size_t bytes_of(LogitsType type) { return type == LogitsType::kFloat16 ? sizeof(uint16_t) : sizeof(float); }

/// A logit of 1e5 is likely, not infinite; one of -1e5 is unlikely, not ruled out.
uint16_t rounded(float logit) {
  constexpr float kMost = 65504;
  return kernels::float_to_half(std::isinf(logit) ? logit : std::clamp(logit, -kMost, kMost));
}

}  // namespace

std::optional<LogitsType> logits_type_named(std::string_view name) {
  const auto found = std::ranges::find(kLogitsTypeNames, name);
  if (found == kLogitsTypeNames.end()) return std::nullopt;
  return static_cast<LogitsType>(found - kLogitsTypeNames.begin());
}

Result<LogitsWriter> LogitsWriter::create(const std::string& path, LogitsType type) {
  PELLUCID_TRY(ResultFile file, ResultFile::create(path));
  return LogitsWriter(std::move(file), type, 0);
}

Result<LogitsWriter> LogitsWriter::append(const std::string& path, int n_vocab, LogitsType type) {
  PELLUCID_TRY(ResultFile file, ResultFile::append(path));
  PELLUCID_TRY(const uint64_t n_bytes, file.size());
  const uint64_t row_bytes = static_cast<uint64_t>(n_vocab) * bytes_of(type);
  PELLUCID_CHECK(file.go_to(n_bytes / row_bytes * row_bytes));
  return LogitsWriter(std::move(file), type, n_bytes / row_bytes);
}

Result<LogitsPlace> LogitsWriter::write(std::span<const float> logits, uint64_t hash) {
  std::span<const std::byte> bytes = std::as_bytes(logits);
  if (type_ == LogitsType::kFloat16) {
    halves_.resize(logits.size());
    std::ranges::transform(logits, halves_.begin(), rounded);
    bytes = std::as_bytes(std::span(halves_));
    hash = xxh64(bytes);
  }
  PELLUCID_CHECK(file_.write(bytes));
  return LogitsPlace{n_rows_++, hash};
}

Result<LogitsFile> LogitsFile::open(const std::string& path, int n_vocab, LogitsType type) {
  PELLUCID_TRY(MappedFile file, MappedFile::open(path));
  return LogitsFile(path, std::move(file), static_cast<size_t>(n_vocab), type);
}

Result<std::span<const float>> LogitsFile::row(const LogitsPlace& place) const {
  const size_t row_bytes = n_vocab_ * bytes_of(type_);
  if (place.row >= file_.bytes().size() / row_bytes) {
    return Error{ErrorCode::kBadTrace, in_quotes(path_, kWhole),
                 fmt::format("there is no row {}", place.row)};
  }
  const std::span<const std::byte> bytes = file_.bytes().subspan(place.row * row_bytes, row_bytes);
  if (xxh64(bytes) != place.hash) {
    return Error{ErrorCode::kBadTrace, in_quotes(path_, kWhole),
                 fmt::format("row {} is not the one that the trace recorded", place.row)};
  }
  // A mapping begins at a page, and rows are whole numbers.
  if (type_ == LogitsType::kFloat32) return std::span(reinterpret_cast<const float*>(bytes.data()), n_vocab_);
  const std::span halves(reinterpret_cast<const uint16_t*>(bytes.data()), n_vocab_);
  widened_.resize(n_vocab_);
  std::ranges::transform(halves, widened_.begin(), kernels::half_to_float);
  return std::span<const float>(widened_);
}

}  // namespace pellucid::trace
