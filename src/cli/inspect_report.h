// What a model file holds, as text for a terminal and as JSON. Pure functions of the file, which need not be
// a model that can run.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "gguf/reader.h"

namespace pellucid::cli {

/// Lines that fit 80 columns where names and strings allow: the file, its hyperparameters, tokenizer,
/// quantisation mix and tensors. Whatever the file holds, no control character but the line ends is in it.
std::string inspect_text(const gguf::File& file);

/// The same as an object: `file` {bytes, version, metadata_entries, tensors}, `architecture`, `parameters`,
/// `general` and `hyperparameters` (keys of the file to values; of arrays above
/// 1024 elements only {element, count}), `tokenizer` {model, pre,
/// vocabulary_size, merges, special_tokens, missing_bytes, chat_template}, `quantisation` (a list of {type,
/// tensors, parameters, bytes, share, bits_per_weight}), `bits_per_weight`, `tensors` (a list of {name, type,
/// shape, bytes}). What the file does not have is null.
boost::json::object inspect_json(const gguf::File& file);

}  // namespace pellucid::cli
