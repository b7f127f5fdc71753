#include "generation/trace_writer.h"

#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/stopwatch.h"
#include "generation/trace_json.h"
#include "generation/trace_step.h"

namespace pellucid::generation {
namespace {

Error failed(const std::string& path) {
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, fmt::format("cannot write {}", path), std::strerror(errno)};
}

/// Goes to the end, and makes sure that the last line is a whole one: a record must not join it.
bool end_line(std::FILE* file) {
  if (std::fseek(file, -1, SEEK_END) != 0) return true;  // an empty file, or no place to seek in
  const int last = std::fgetc(file);
  return std::fseek(file, 0, SEEK_END) == 0 && (last == '\n' || std::fputc('\n', file) != EOF);
}

}  // namespace

Result<TraceFile> TraceFile::create(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return failed(path);
  return TraceFile(path, file);
}

Result<TraceFile> TraceFile::append(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "r+b");
  if (file == nullptr) return failed(path);
  TraceFile trace(path, file);
  if (::flock(::fileno(file), LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kIo, fmt::format("cannot write {}", path), "another program is writing it"};
  }
  return trace;
}

Result<void> TraceFile::write(const boost::json::object& record) {
  if (!std::exchange(at_end_, true) && !end_line(file_.get())) return failed(path_);
  const std::string line = boost::json::serialize(record) + '\n';
  const bool written =
      std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() && std::fflush(file_.get()) == 0;
  if (!written) return failed(path_);
  return {};
}

Result<void> TraceWriter::begin(const boost::json::object& record, int branch,
                                const sampling::Settings& settings) {
  branch_ = branch;
  settings_ = settings;
  since_step_ = Stopwatch();
  return file_.write(record);
}

Result<void> TraceWriter::step(const StepView& view) {
  const auto piece_of = [this](int32_t id) { return shown_piece(engine_->tokenizer(), id); };
  TraceStep step = traced_step(view, settings_, top_, piece_of);
  if (logits_) {
    PELLUCID_TRY(step.logits_row, logits_->write(view.logits));
    if (step.allowed) step.allowed->set.assign(view.context.allowed.begin(), view.context.allowed.end());
  }
  step.ms = std::exchange(since_step_, Stopwatch()).milliseconds();
  return file_.write(step_record(branch_, step));
}

Result<void> TraceWriter::end(const Generation& done) { return file_.write(end_record(branch_, done)); }

}  // namespace pellucid::generation
