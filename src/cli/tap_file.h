// The steps of the forward pass in a file: for each a line of JSON, {"name", "layer", "shape", "dtype"}, and
// its values as raw little-endian float32. scripts/compare_taps.py reads it.
#pragma once

#include <string>

#include "cli/npy.h"
#include "model/tap.h"

namespace pellucid::cli {

class TapFile {
 public:
  static Result<TapFile> create(const std::string& path);

  /// The tap to hand to the engine; the TapFile must outlive it. The first failed write is kept for finish().
  model::Tap tap();
  Result<void> finish();

 private:
  explicit TapFile(FileWriter writer) : writer_(std::move(writer)) {}
  FileWriter writer_;
  Result<void> status_;
};

}  // namespace pellucid::cli
