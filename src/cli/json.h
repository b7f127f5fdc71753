// JSON as the commands print it.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "cli/output.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::cli {

/// One line on standard output.
inline Result<void> write_json(const boost::json::value& value) {
  PELLUCID_CHECK(write_output(boost::json::serialize(value)));
  return write_output("\n");
}

inline boost::json::array ids_json(std::span<const int32_t> ids) {
  boost::json::array array;
  array.reserve(ids.size());
  for (const int32_t id : ids) array.emplace_back(id);
  return array;
}

/// `bytes` as a JSON string may hold them: what is not UTF-8 becomes U+FFFD.
inline boost::json::string to_json_text(std::string_view bytes) {
  tokenizer::Utf8Stream stream;
  boost::json::string text(stream.push(bytes));
  text += stream.finish();
  return text;
}

}  // namespace pellucid::cli
