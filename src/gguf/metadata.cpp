#include "gguf/metadata.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/text.h"

namespace pellucid::gguf {
namespace {

Error bad_key(std::string_view key, std::string why) {
  return {ErrorCode::kBadModel, "metadata key " + in_quotes(key), std::move(why)};
}

Error missing(std::string_view key) { return bad_key(key, "it is missing from the model file"); }

Error wrong_type(const Entry& entry, std::string_view wanted) {
  const auto* array = std::get_if<Array>(&entry.value);
  const auto found = array != nullptr ? fmt::format("an array of {}", info(array->element).name)
                                      : std::string(info(entry.type).name);
  return bad_key(entry.key, fmt::format("{} is needed, the file has {}", wanted, found));
}

template <typename T>
T number_at(const Array& array, uint64_t i) {
  T value;
  std::memcpy(&value, array.bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

Result<uint32_t> u32_of(const Entry& entry) {
  const auto* natural = std::get_if<uint64_t>(&entry.value);
  const auto* integer = std::get_if<int64_t>(&entry.value);
  if (natural == nullptr && integer == nullptr) return wrong_type(entry, "an integer");
  const bool in_range =
      natural != nullptr ? std::in_range<uint32_t>(*natural) : std::in_range<uint32_t>(*integer);
  if (!in_range) {
    const auto found = natural != nullptr ? fmt::to_string(*natural) : fmt::to_string(*integer);
    return bad_key(entry.key, found + " is out of the range of uint32");
  }
  return static_cast<uint32_t>(natural != nullptr ? *natural : static_cast<uint64_t>(*integer));
}

Result<float> f32_of(const Entry& entry) {
  const auto* value = std::get_if<double>(&entry.value);
  if (value == nullptr) return wrong_type(entry, "a float");
  // Negated, so that NaN is refused too.
  if (!(std::fabs(*value) <= std::numeric_limits<float>::max())) {
    return bad_key(entry.key, fmt::format("{} is not a finite float32", *value));
  }
  return static_cast<float>(*value);
}

Result<std::string_view> string_of(const Entry& entry) {
  const auto* value = std::get_if<std::string_view>(&entry.value);
  if (value == nullptr) return wrong_type(entry, "a string");
  return *value;
}

bool is_integer(ValueType type) {
  switch (type) {
    case ValueType::kFloat32:
    case ValueType::kFloat64:
    case ValueType::kBool:
    case ValueType::kString:
    case ValueType::kArray:
      return false;
    default:
      return true;
  }
}

/// The array of an entry of the wanted element type, or nullptr.
const Array* array_of(const Entry& entry, ValueType wanted) {
  const auto* array = std::get_if<Array>(&entry.value);
  return array != nullptr && array->element == wanted ? array : nullptr;
}

}  // namespace

Scalar Array::at(uint64_t i) const {
  switch (element) {
    case ValueType::kUint8:
      return uint64_t{number_at<uint8_t>(*this, i)};
    case ValueType::kInt8:
      return int64_t{number_at<int8_t>(*this, i)};
    case ValueType::kUint16:
      return uint64_t{number_at<uint16_t>(*this, i)};
    case ValueType::kInt16:
      return int64_t{number_at<int16_t>(*this, i)};
    case ValueType::kUint32:
      return uint64_t{number_at<uint32_t>(*this, i)};
    case ValueType::kInt32:
      return int64_t{number_at<int32_t>(*this, i)};
    case ValueType::kUint64:
      return number_at<uint64_t>(*this, i);
    case ValueType::kInt64:
      return number_at<int64_t>(*this, i);
    case ValueType::kFloat32:
      return double{number_at<float>(*this, i)};
    case ValueType::kFloat64:
      return number_at<double>(*this, i);
    case ValueType::kBool:
      return number_at<uint8_t>(*this, i) != 0;
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  return strings[i];
}

const Entry* Metadata::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

Result<uint32_t> Metadata::u32(std::string_view key) const {
  const Entry* entry = find(key);
  return entry != nullptr ? u32_of(*entry) : missing(key);
}

Result<uint32_t> Metadata::u32_or(std::string_view key, uint32_t fallback) const {
  const Entry* entry = find(key);
  return entry != nullptr ? u32_of(*entry) : fallback;
}

Result<float> Metadata::f32(std::string_view key) const {
  const Entry* entry = find(key);
  return entry != nullptr ? f32_of(*entry) : missing(key);
}

Result<float> Metadata::f32_or(std::string_view key, float fallback) const {
  const Entry* entry = find(key);
  return entry != nullptr ? f32_of(*entry) : fallback;
}

Result<bool> Metadata::boolean_or(std::string_view key, bool fallback) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return fallback;
  const auto* value = std::get_if<bool>(&entry->value);
  if (value == nullptr) return wrong_type(*entry, "a bool");
  return *value;
}

Result<std::string_view> Metadata::string(std::string_view key) const {
  const Entry* entry = find(key);
  return entry != nullptr ? string_of(*entry) : missing(key);
}

Result<std::string_view> Metadata::string_or(std::string_view key, std::string_view fallback) const {
  const Entry* entry = find(key);
  return entry != nullptr ? string_of(*entry) : fallback;
}

Result<std::span<const std::string_view>> Metadata::strings(std::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return missing(key);
  const Array* array = array_of(*entry, ValueType::kString);
  if (array == nullptr) return wrong_type(*entry, "an array of string");
  return std::span<const std::string_view>(array->strings);
}

Result<std::vector<float>> Metadata::floats(std::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return missing(key);
  const Array* array = array_of(*entry, ValueType::kFloat32);
  if (array == nullptr) return wrong_type(*entry, "an array of float32");
  std::vector<float> out(array->count);
  for (uint64_t i = 0; i < array->count; ++i) {
    out[i] = number_at<float>(*array, i);
    if (std::isnan(out[i])) return bad_key(key, fmt::format("element {} is NaN", i));
  }
  return out;
}

Result<std::vector<int32_t>> Metadata::ints(std::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return missing(key);
  const auto* array = std::get_if<Array>(&entry->value);
  if (array == nullptr || !is_integer(array->element)) return wrong_type(*entry, "an array of integers");
  std::vector<int32_t> out(array->count);
  for (uint64_t i = 0; i < array->count; ++i) {
    const Scalar value = array->at(i);
    const auto* natural = std::get_if<uint64_t>(&value);
    const bool in_range = natural != nullptr ? std::in_range<int32_t>(*natural)
                                             : std::in_range<int32_t>(std::get<int64_t>(value));
    if (!in_range) return bad_key(key, fmt::format("element {} is out of the range of int32", i));
    out[i] =
        static_cast<int32_t>(natural != nullptr ? static_cast<int64_t>(*natural) : std::get<int64_t>(value));
  }
  return out;
}

bool Metadata::add(Entry entry) {
  if (!index_.emplace(entry.key, entries_.size()).second) return false;
  entries_.push_back(std::move(entry));
  return true;
}

}  // namespace pellucid::gguf
