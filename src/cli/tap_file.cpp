#include "cli/tap_file.h"

#include <fmt/format.h>

namespace pellucid::cli {

Result<TapFile> TapFile::create(const std::string& path) {
  PELLUCID_TRY(FileWriter writer, FileWriter::create(path));
  return TapFile(std::move(writer));
}

model::Tap TapFile::tap() {
  return [this](std::string_view name, int layer, std::span<const float> values, int n_rows) {
    if (!status_.ok()) return;
    const std::string line =
        fmt::format("{{\"name\": \"{}\", \"layer\": {}, \"shape\": [{}, {}], \"dtype\": \"<f4\"}}\n", name,
                    layer, n_rows, values.size() / static_cast<size_t>(n_rows));
    status_ = writer_.write(line.data(), line.size());
    if (status_.ok()) status_ = writer_.write(values.data(), values.size_bytes());
  };
}

Result<void> TapFile::finish() {
  PELLUCID_CHECK(status_);
  return writer_.finish();
}

}  // namespace pellucid::cli
