// Writes a trace while its text is generated: a line a step, each visible at once, so that a program that is
// killed leaves what it has done.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/stopwatch.h"
#include "generation/generate.h"
#include "generation/logits_file.h"

namespace pellucid::generation {

/// A file of JSON lines. Errors of all: kIo or kNotFound, with the path.
class TraceFile {
 public:
  static Result<TraceFile> create(const std::string& path);
  /// Goes on behind the last line, and keeps others from it: two branches must not take one number.
  static Result<TraceFile> append(const std::string& path);
  Result<void> write(const boost::json::object& record);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  TraceFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  bool at_end_ = false;  // behind a whole line
};

/// Records one branch.
class TraceWriter {
 public:
  /// Steps are recorded with their `top` best candidates, and with all logits where there is a file for
  /// those.
  TraceWriter(TraceFile file, std::optional<LogitsWriter> logits, const Engine& engine, size_t top)
      : file_(std::move(file)), logits_(std::move(logits)), engine_(&engine), top_(top) {}

  /// The first record: the header of a trace, or a branch's.
  Result<void> begin(const boost::json::object& record, int branch, const sampling::Settings& settings);
  /// Of a step that was watched: to_watch(top) of its best.
  Result<void> step(const StepView& view);
  Result<void> end(const Generation& done);

 private:
  TraceFile file_;
  std::optional<LogitsWriter> logits_;
  const Engine* engine_;
  size_t top_;
  int branch_ = 0;
  sampling::Settings settings_;
  Stopwatch since_step_;  // recorded last
};

}  // namespace pellucid::generation
