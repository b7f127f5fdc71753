// Writes a trace while its text is generated: a line a step, each visible at once, so that a program that is
// killed leaves what it has done.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/stopwatch.h"
#include "generation/generate.h"
#include "trace/logits_file.h"
#include "trace/result_file.h"

namespace pellucid::trace {

/// A file of JSON lines. Errors of all: kIo or kNotFound, with the path.
class File {
 public:
  /// All keep others from it: two branches must not take one number, nor lines run into each other.
  static Result<File> create(const std::string& path);
  /// Goes on behind the last line.
  static Result<File> append(const std::string& path);
  /// Goes on in a copy of `path`, which `output` becomes.
  static Result<File> copy(const std::string& path, const std::string& output);

  /// The record waits for the next one that is written: without that, nothing has begun, and another may take
  /// its place.
  void begin_with(const boost::json::object& record);
  /// False while one waits.
  [[nodiscard]] bool begun() const { return opening_.empty(); }
  Result<void> write(const boost::json::object& record);

 private:
  File(ResultFile file, std::string before) : file_(std::move(file)), before_(std::move(before)) {}

  ResultFile file_;
  std::string before_;  // goes before what is written first
  std::string opening_;
};

/// Records a branch, or one after another.
class Writer {
 public:
  /// Steps are recorded with their `top` best candidates, and with all logits where there is a file for
  /// those.
  Writer(File file, std::optional<LogitsWriter> logits, const generation::Engine& engine, size_t top)
      : file_(std::move(file)), logits_(std::move(logits)), engine_(&engine), top_(top) {}

  /// The first record: the header of a trace, or a branch's. It is written with the first step, or the end.
  void begin(const boost::json::object& record, int branch);
  /// Of a step that was watched: to_watch(top) of its best.
  Result<void> step(const generation::StepView& view);
  Result<void> end(const generation::Generation& done);
  /// False where nothing was recorded after begin().
  [[nodiscard]] bool begun() const { return file_.begun(); }

 private:
  File file_;
  std::optional<LogitsWriter> logits_;
  const generation::Engine* engine_;
  size_t top_;
  int branch_ = 0;
  Stopwatch since_step_;  // recorded last
};

}  // namespace pellucid::trace
