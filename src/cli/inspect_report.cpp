#include "cli/inspect_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "cli/explain_terms.h"
#include "cli/json.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::cli {
namespace {

using gguf::Array;
using gguf::Entry;
using gguf::File;
using gguf::Metadata;
using gguf::Scalar;
using gguf::Tensor;
using gguf::ValueType;

constexpr std::string_view kTokenizerPrefix = "tokenizer.ggml.";
constexpr std::string_view kTokenIdSuffix = "_token_id";
constexpr uint64_t kMaxListed = 1024;  // longer arrays are described, not listed

// ---- What both reports show.

/// All tensors of one type.
struct TypeShare {
  std::string_view type;
  uint64_t tensors = 0;
  uint64_t parameters = 0;
  uint64_t bytes = 0;

  void add(const Tensor& tensor) {
    ++tensors;
    parameters += tensor.n_values();
    bytes += tensor.data.size();
  }
  [[nodiscard]] double bits_per_weight() const {
    return parameters == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(parameters);
  }
  [[nodiscard]] double share_of(const TypeShare& total) const {
    return total.bytes == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(total.bytes);
  }
};

/// One row a type, the largest first.
std::vector<TypeShare> quantisation_mix(const File& file) {
  std::vector<TypeShare> mix;
  for (const TensorTypeInfo& row : kTensorTypes) {
    TypeShare share{.type = row.name};
    for (const Tensor& tensor : file.tensors()) {
      if (tensor.type == row.type) share.add(tensor);
    }
    if (share.tensors > 0) mix.push_back(share);
  }
  std::stable_sort(mix.begin(), mix.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return mix;
}

TypeShare total_of(const File& file) {
  TypeShare total{.type = "total"};
  for (const Tensor& tensor : file.tensors()) total.add(tensor);
  return total;
}

/// tokenizer.ggml.NAME_token_id = id, and the text of that token where the vocabulary has it.
struct SpecialToken {
  std::string_view name;
  uint32_t id;
  std::optional<std::string_view> text;
};

std::optional<std::string_view> string_of(const Metadata& metadata, std::string_view key) {
  const auto value = metadata.string(key);
  return value.ok() ? std::optional(value.value()) : std::nullopt;
}

std::optional<std::span<const std::string_view>> strings_of(const Metadata& metadata, std::string_view key) {
  const auto value = metadata.strings(key);
  return value.ok() ? std::optional(value.value()) : std::nullopt;
}

std::vector<SpecialToken> special_tokens(const Metadata& metadata) {
  const auto tokens = strings_of(metadata, "tokenizer.ggml.tokens");
  std::vector<SpecialToken> special;
  for (const Entry& entry : metadata.entries()) {
    std::string_view name = entry.key;
    const auto id = metadata.u32(entry.key);
    if (!name.starts_with(kTokenizerPrefix) || !name.ends_with(kTokenIdSuffix) || !id.ok()) continue;
    name.remove_prefix(kTokenizerPrefix.size());
    if (name.size() <= kTokenIdSuffix.size()) continue;
    name.remove_suffix(kTokenIdSuffix.size());
    const bool known = tokens && id.value() < tokens->size();
    special.push_back({name, id.value(), known ? std::optional((*tokens)[id.value()]) : std::nullopt});
  }
  return special;
}

/// The entries whose key starts with `prefix`, in the order of the file.
std::vector<const Entry*> entries_under(const Metadata& metadata, std::string_view prefix) {
  std::vector<const Entry*> found;
  for (const Entry& entry : metadata.entries()) {
    if (entry.key.starts_with(prefix)) found.push_back(&entry);
  }
  return found;
}

/// "llama.", or "" (no prefix of a key that has hyperparameters) where the architecture is not stated.
std::string hyperparameter_prefix(const Metadata& metadata) {
  const auto architecture = string_of(metadata, "general.architecture");
  return architecture && !architecture->empty() ? std::string(*architecture) + "." : "";
}

std::vector<const Entry*> hyperparameters(const Metadata& metadata) {
  const std::string prefix = hyperparameter_prefix(metadata);
  return prefix.empty() ? std::vector<const Entry*>{} : entries_under(metadata, prefix);
}

/// The value of an entry that is not an array.
Scalar scalar_of(const Entry& entry) {
  return std::visit(
      [](const auto& value) -> Scalar {
        if constexpr (std::is_constructible_v<Scalar, decltype(value)>) return value;
        return false;
      },
      entry.value);
}

// ---- Text.

/// A scalar of a file as text; a float32 in the shortest form that reads back as the same float32.
struct ScalarText {
  ValueType type;
  size_t max_characters;

  std::string operator()(uint64_t value) const { return fmt::to_string(value); }
  std::string operator()(int64_t value) const { return fmt::to_string(value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(double value) const {
    return type == ValueType::kFloat32 ? fmt::to_string(static_cast<float>(value)) : fmt::to_string(value);
  }
  std::string operator()(std::string_view value) const { return printable(value, max_characters); }
};

std::string array_text(const Array& array) {
  constexpr uint64_t kShown = 6;
  constexpr size_t kElementCharacters = 16;
  std::string out = "[";
  for (uint64_t i = 0; i < std::min(array.count, kShown); ++i) {
    if (i > 0) out += ", ";
    out += std::visit(ScalarText{array.element, kElementCharacters}, array.at(i));
  }
  return out + (array.count > kShown ? fmt::format(", ...] ({} values)", grouped(array.count)) : "]");
}

std::string value_text(const Entry& entry) {
  constexpr size_t kCharacters = 42;
  if (const auto* array = std::get_if<Array>(&entry.value)) return array_text(*array);
  return std::visit(ScalarText{entry.type, kCharacters}, scalar_of(entry));
}

using Output = std::back_insert_iterator<std::string>;

/// A line of a name and a value.
void line(Output out, std::string_view name, std::string_view value) {
  fmt::format_to(out, "  {:<34}  {}\n", printable(name), value);
}

void file_section(Output out, const File& file) {
  const Metadata& metadata = file.metadata();
  const TypeShare total = total_of(file);
  fmt::format_to(out, "File\n");
  line(out, "architecture", printable(string_of(metadata, "general.architecture").value_or("not stated")));
  line(out, "size", grouped(file.size_bytes()) + " bytes");
  line(out, "parameters", grouped(total.parameters));
  line(out, "format", fmt::format("GGUF version {}", file.version()));
  line(out, "metadata entries", grouped(metadata.entries().size()));
  line(out, "tensors", grouped(file.tensors().size()));
}

void entries_section(Output out, std::string_view title, std::string_view prefix,
                     const std::vector<const Entry*>& entries) {
  if (entries.empty()) return;
  fmt::format_to(out, "\n{} ({}*)\n", title, printable(prefix));
  for (const Entry* entry : entries) line(out, entry->key.substr(prefix.size()), value_text(*entry));
}

/// Bytes that the vocabulary has no token for; nothing where the file's tokenizer is not one that runs here.
std::optional<std::vector<uint8_t>> missing_bytes(const Metadata& metadata) {
  const auto tokenizer = tokenizer::Tokenizer::from(metadata);
  if (!tokenizer.ok()) return std::nullopt;
  return tokenizer.value().missing_bytes();
}

void tokenizer_section(Output out, const Metadata& metadata) {
  const auto tokens = strings_of(metadata, "tokenizer.ggml.tokens");
  const auto merges = strings_of(metadata, "tokenizer.ggml.merges");
  const auto chat_template = string_of(metadata, "tokenizer.chat_template");
  fmt::format_to(out, "\nTokenizer\n");
  line(out, "model", printable(string_of(metadata, "tokenizer.ggml.model").value_or("none")));
  line(out, "pre-tokenizer", printable(string_of(metadata, "tokenizer.ggml.pre").value_or("none")));
  line(out, "vocabulary", tokens ? grouped(tokens->size()) + " tokens" : "none");
  if (merges) line(out, "merges", grouped(merges->size()));
  for (const SpecialToken& token : special_tokens(metadata)) {
    const std::string text = token.text ? printable(*token.text, 32) : "(not in the vocabulary)";
    line(out, fmt::format("{} token", token.name), fmt::format("{}  {}", token.id, text));
  }
  const auto missing = missing_bytes(metadata);
  if (missing && !missing->empty()) {
    line(out, "bytes without a token", fmt::format("{}, which encoding leaves out", missing->size()));
  }
  line(out, "chat template", chat_template ? grouped(chat_template->size()) + " bytes" : "none");
}

void quantisation_section(Output out, const File& file) {
  const TypeShare total = total_of(file);
  std::vector<TypeShare> rows = quantisation_mix(file);
  rows.push_back(total);
  fmt::format_to(out, "\nQuantisation\n  {:<8} {:>8} {:>16} {:>18} {:>8} {:>12}\n", "type", "tensors",
                 "parameters", "bytes", "share", "bits/weight");
  for (const TypeShare& row : rows) {
    fmt::format_to(out, "  {:<8} {:>8} {:>16} {:>18} {:>7.1f}% {:>12.2f}\n", row.type, grouped(row.tensors),
                   grouped(row.parameters), grouped(row.bytes), 100 * row.share_of(total),
                   row.bits_per_weight());
  }
}

void tensor_section(Output out, const File& file) {
  constexpr size_t kMinName = 24;
  constexpr size_t kMaxName = 36;
  size_t width = kMinName;
  for (const Tensor& tensor : file.tensors()) width = std::max(width, tensor.name.size());
  width = std::min(width, kMaxName);
  fmt::format_to(out, "\nTensors (shapes with the fastest axis first)\n  {:<{}}  {:<6}  {:<16}{:>14}\n",
                 "name", width, "type", "shape", "bytes");
  for (const Tensor& tensor : file.tensors()) {
    std::string shape = fmt::to_string(tensor.dims[0]);
    for (uint32_t i = 1; i < tensor.n_dims; ++i) shape += fmt::format(" x {}", tensor.dims[i]);
    fmt::format_to(out, "  {:<{}}  {:<6}  {:<16}{:>14}\n", printable(tensor.name), width,
                   info(tensor.type).name, shape, grouped(tensor.data.size()));
  }
}

// ---- JSON.

struct ScalarJson {
  boost::json::value operator()(uint64_t value) const { return value; }
  boost::json::value operator()(int64_t value) const { return value; }
  boost::json::value operator()(bool value) const { return value; }
  /// JSON has no NaN and no infinities.
  boost::json::value operator()(double value) const {
    return std::isfinite(value) ? boost::json::value(value) : boost::json::value(nullptr);
  }
  boost::json::value operator()(std::string_view value) const { return to_json_text(value); }
};

boost::json::value value_json(const Entry& entry) {
  const auto* array = std::get_if<Array>(&entry.value);
  if (array == nullptr) return std::visit(ScalarJson{}, scalar_of(entry));
  if (array->count > kMaxListed) {
    return {{"element", gguf::info(array->element).name}, {"count", array->count}};
  }
  boost::json::array values;
  values.reserve(array->count);
  for (uint64_t i = 0; i < array->count; ++i) values.push_back(std::visit(ScalarJson{}, array->at(i)));
  return values;
}

boost::json::object entries_json(const std::vector<const Entry*>& entries) {
  boost::json::object object;
  for (const Entry* entry : entries) object[entry->key] = value_json(*entry);
  return object;
}

boost::json::value text_or_null(std::optional<std::string_view> text) {
  return text ? boost::json::value(to_json_text(*text)) : boost::json::value(nullptr);
}

boost::json::value count_or_null(std::optional<std::span<const std::string_view>> strings) {
  return strings ? boost::json::value(strings->size()) : boost::json::value(nullptr);
}

boost::json::value missing_json(const Metadata& metadata) {
  const auto missing = missing_bytes(metadata);
  return missing ? boost::json::value(boost::json::array(missing->begin(), missing->end()))
                 : boost::json::value(nullptr);
}

boost::json::object tokenizer_json(const Metadata& metadata) {
  boost::json::object special;
  for (const SpecialToken& token : special_tokens(metadata)) {
    special[token.name] = {{"id", token.id}, {"text", text_or_null(token.text)}};
  }
  return {{"model", text_or_null(string_of(metadata, "tokenizer.ggml.model"))},
          {"pre", text_or_null(string_of(metadata, "tokenizer.ggml.pre"))},
          {"vocabulary_size", count_or_null(strings_of(metadata, "tokenizer.ggml.tokens"))},
          {"merges", count_or_null(strings_of(metadata, "tokenizer.ggml.merges"))},
          {"special_tokens", std::move(special)},
          {"missing_bytes", missing_json(metadata)},
          {"chat_template", string_of(metadata, "tokenizer.chat_template").has_value()}};
}

boost::json::array quantisation_json(const File& file) {
  const TypeShare total = total_of(file);
  boost::json::array rows;
  for (const TypeShare& row : quantisation_mix(file)) {
    rows.push_back({{"type", row.type},
                    {"tensors", row.tensors},
                    {"parameters", row.parameters},
                    {"bytes", row.bytes},
                    {"share", row.share_of(total)},
                    {"bits_per_weight", row.bits_per_weight()}});
  }
  return rows;
}

boost::json::array tensors_json(const File& file) {
  boost::json::array rows;
  rows.reserve(file.tensors().size());
  for (const Tensor& tensor : file.tensors()) {
    boost::json::array shape(tensor.dims.begin(), tensor.dims.begin() + tensor.n_dims);
    rows.push_back({{"name", tensor.name},
                    {"type", info(tensor.type).name},
                    {"shape", std::move(shape)},
                    {"bytes", tensor.data.size()}});
  }
  return rows;
}

}  // namespace

std::string inspect_text(const File& file) {
  const Metadata& metadata = file.metadata();
  std::string text;
  const Output out(text);
  file_section(out, file);
  entries_section(out, "General", "general.", entries_under(metadata, "general."));
  entries_section(out, "Hyperparameters", hyperparameter_prefix(metadata), hyperparameters(metadata));
  tokenizer_section(out, metadata);
  quantisation_section(out, file);
  tensor_section(out, file);
  return text;
}

boost::json::object inspect_json(const File& file) {
  const Metadata& metadata = file.metadata();
  const TypeShare total = total_of(file);
  return {{"file",
           {{"bytes", file.size_bytes()},
            {"version", file.version()},
            {"metadata_entries", metadata.entries().size()},
            {"tensors", file.tensors().size()}}},
          {"architecture", text_or_null(string_of(metadata, "general.architecture"))},
          {"parameters", total.parameters},
          {"general", entries_json(entries_under(metadata, "general."))},
          {"hyperparameters", entries_json(hyperparameters(metadata))},
          {"tokenizer", tokenizer_json(metadata)},
          {"quantisation", quantisation_json(file)},
          {"bits_per_weight", total.bits_per_weight()},
          {"tensors", tensors_json(file)}};
}

}  // namespace pellucid::cli
