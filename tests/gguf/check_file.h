// What must hold of every file that the reader accepts, whoever made it: used by tests and by the fuzzer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gguf/reader.h"

namespace pellucid::gguf::test {

/// One line, both parts filled in.
inline std::string check_error(const Error& error) {
  if (error.what.empty() || error.why.empty()) return "an error without text";
  const std::string message = error.message();
  if (message.size() > 1000) return "an error of " + std::to_string(message.size()) + " bytes";
  for (const char c : message) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return "a control character in: " + message;
  }
  return {};
}

/// Every typed look-up of every key gives a value or a proper error.
inline std::string check_look_ups(const Metadata& metadata) {
  std::string problem;
  const auto see = [&](const auto& result) {
    if (!result.ok() && problem.empty()) problem = check_error(result.error());
  };
  for (const Entry& entry : metadata.entries()) {
    if (metadata.find(entry.key) != &entry) return "a key that is not found";
    see(metadata.u32(entry.key));
    see(metadata.f32(entry.key));
    see(metadata.boolean_or(entry.key, false));
    see(metadata.string(entry.key));
    see(metadata.strings(entry.key));
    see(metadata.floats(entry.key));
    see(metadata.ints(entry.key));
    if (const auto real = metadata.f32_or(entry.key, 0); real.ok() && !std::isfinite(real.value())) {
      return "a float that is not finite";
    }
  }
  return problem;
}

/// Every view handed out lies in `bytes`, which a sanitizer confirms by reading it.
inline std::string check_views(const File& file, std::span<const std::byte> bytes) {
  const auto* begin = reinterpret_cast<const char*>(bytes.data());
  const auto inside = [&](const void* view, size_t size) {
    const auto* at = static_cast<const char*>(view);
    return size == 0 || (at >= begin && size <= bytes.size() && at <= begin + bytes.size() - size);
  };
  [[maybe_unused]] volatile unsigned sum = 0;  // volatile, so that both ends are really read
  const auto read = [&](const auto& view) {
    if (!view.empty()) sum = static_cast<unsigned>(view.front()) + static_cast<unsigned>(view.back());
    return inside(view.data(), view.size());
  };
  for (const Entry& entry : file.metadata().entries()) {
    if (!read(entry.key)) return "a key outside the file";
    if (const auto* text = std::get_if<std::string_view>(&entry.value); text != nullptr && !read(*text)) {
      return "a string outside the file";
    }
    const auto* array = std::get_if<Array>(&entry.value);
    if (array == nullptr) continue;
    const bool of_strings = array->element == ValueType::kString;
    const uint64_t length =
        of_strings ? array->strings.size() : array->bytes.size() / info(array->element).bytes;
    if (length != array->count || !read(array->bytes)) return "an array that does not have its length";
    if (array->count > 0) static_cast<void>(array->at(array->count - 1));
    for (const std::string_view text : array->strings) {
      if (!read(text)) return "an element outside the file";
    }
  }
  for (const Tensor& tensor : file.tensors()) {
    if (!read(tensor.name) || !read(tensor.data)) return "a tensor outside the file";
  }
  return {};
}

/// Shape, size, place and name of every tensor agree with the format.
inline std::string check_tensors(const File& file) {
  std::set<std::string_view> names;
  std::vector<std::span<const std::byte>> places;
  for (const Tensor& tensor : file.tensors()) {
    if (!names.insert(tensor.name).second || tensor.name.empty()) return "a name twice or empty";
    if (file.find_tensor(tensor.name) != &tensor) return "a tensor that is not found";
    long double values = 1;  // exact where it matters: below 2^64
    for (const uint64_t dim : tensor.dims) values *= static_cast<long double>(dim);
    const auto& type = info(tensor.type);
    if (values != static_cast<long double>(tensor.n_values()) || values < 1)
      return "a product that overflows";
    if (tensor.dims[0] % type.block_values != 0) return "a row of parts of blocks";
    if (values / type.block_values * type.block_bytes != static_cast<long double>(tensor.data.size())) {
      return "a size that is not that of the shape";
    }
    places.push_back(tensor.data);
  }
  std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.data() < b.data(); });
  for (size_t i = 1; i < places.size(); ++i) {
    if (places[i - 1].data() + places[i - 1].size() > places[i].data()) return "tensors that overlap";
  }
  return {};
}

/// What is wrong with the outcome of parsing `bytes`, or nothing.
inline std::string check_outcome(const Result<File>& parsed, std::span<const std::byte> bytes) {
  if (!parsed.ok()) return check_error(parsed.error());
  const File& file = parsed.value();
  if (file.size_bytes() != bytes.size() || file.version() < kMinVersion || file.version() > kMaxVersion) {
    return "a wrong size or version";
  }
  std::string problem = check_views(file, bytes);
  if (problem.empty()) problem = check_tensors(file);
  return problem.empty() ? check_look_ups(file.metadata()) : problem;
}

inline std::string check_parse(std::span<const std::byte> bytes) {
  return check_outcome(File::parse(bytes), bytes);
}

}  // namespace pellucid::gguf::test
