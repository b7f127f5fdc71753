#include "trace/writer.h"

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "base/stopwatch.h"
#include "base/text.h"
#include "trace/records.h"
#include "trace/step.h"

namespace pellucid::trace {
namespace {

std::string line_of(const boost::json::object& record) { return boost::json::serialize(record) + '\n'; }

/// What makes the last line a whole one: a record must not join it.
std::string_view line_end(std::byte last) { return last == std::byte{'\n'} ? "" : "\n"; }

Result<void> locked(ResultFile& file, const std::string& path) {
  if (file.lock()) return {};
  return Error{ErrorCode::kIo, fmt::format("cannot write {}", in_quotes(path, kWhole)),
               "another program is writing it"};
}

}  // namespace

Result<File> File::create(const std::string& path) {
  PELLUCID_TRY(ResultFile file, ResultFile::create(path));
  PELLUCID_CHECK(locked(file, path));
  return File(std::move(file), "");
}

Result<File> File::append(const std::string& path) {
  PELLUCID_TRY(ResultFile file, ResultFile::append(path));
  PELLUCID_CHECK(locked(file, path));
  PELLUCID_TRY(const std::byte last, file.last());
  return File(std::move(file), std::string(line_end(last)));
}

Result<File> File::copy(const std::string& path, const std::string& output) {
  PELLUCID_TRY(const MappedFile from, MappedFile::open(path));
  PELLUCID_TRY(ResultFile file, ResultFile::create(output));
  PELLUCID_CHECK(locked(file, output));
  const std::span<const std::byte> bytes = from.bytes();
  std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  all += line_end(bytes.back());
  return File(std::move(file), std::move(all));
}

void File::begin_with(const boost::json::object& record) { opening_ = line_of(record); }

Result<void> File::write(const boost::json::object& record) {
  const std::string lines = std::exchange(before_, {}) + std::exchange(opening_, {}) + line_of(record);
  return file_.write(std::as_bytes(std::span(lines)));
}

void Writer::begin(const boost::json::object& record, int branch) {
  branch_ = branch;
  since_step_ = Stopwatch();
  file_.begin_with(record);
}

Result<void> Writer::step(const generation::StepView& view) {
  const auto piece_of = [this](int32_t id) { return shown_piece(engine_->tokenizer(), id); };
  Step step = traced_step(view, top_, piece_of);
  if (logits_) {
    PELLUCID_TRY(step.logits, logits_->write(view.logits, step.logits_hash));
    if (step.unconditional) {
      PELLUCID_TRY(step.unconditional->logits,
                   logits_->write(view.context.unconditional, step.unconditional->logits_hash));
    }
    if (step.allowed) step.allowed->set.assign(view.context.allowed.begin(), view.context.allowed.end());
  }
  step.ms = std::exchange(since_step_, Stopwatch()).milliseconds();
  return file_.write(step_record(branch_, step));
}

Result<void> Writer::end(const generation::Generation& done) {
  return file_.write(end_record(branch_, done));
}

}  // namespace pellucid::trace
