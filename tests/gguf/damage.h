// Damage to valid GGUF files: where their fields are, the values at which readers go wrong, and edits of
// whole metadata entries that leave the rest well formed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "gguf/builder.h"

namespace pellucid::gguf::test {

/// A number in a file: where it is and what it means.
struct Field {
  size_t offset = 0;
  size_t width = 0;
  bool is_type = false;  // of a value or a tensor
  bool is_float = false;
};

/// A metadata entry: where its key begins, where the type of its value is, and where it ends.
struct EntryPlace {
  std::string key;
  size_t begin = 0;
  size_t type = 0;
  size_t end = 0;
};

/// Finds the fields of a valid file; written apart from the reader, and without its checks.
class FieldWalker {
 public:
  explicit FieldWalker(std::span<const std::byte> bytes) : bytes_(bytes) { walk(); }

  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  [[nodiscard]] const std::vector<EntryPlace>& entries() const { return entries_; }
  /// Bytes before the padding that precedes the data of the tensors.
  [[nodiscard]] size_t header_bytes() const { return offset_; }

 private:
  void walk() {
    number<uint32_t>();  // magic
    number<uint32_t>();
    const auto n_tensors = number<uint64_t>();
    const auto n_entries = number<uint64_t>();
    for (uint64_t i = 0; i < n_entries; ++i) {
      EntryPlace place{{}, offset_, 0, 0};
      place.key = string();
      place.type = offset_;
      value(number<uint32_t>(true));
      place.end = offset_;
      entries_.push_back(place);
    }
    for (uint64_t i = 0; i < n_tensors; ++i) {
      string();
      const auto n_dims = number<uint32_t>();
      for (uint32_t d = 0; d < n_dims; ++d) number<uint64_t>();
      number<uint32_t>(true);
      number<uint64_t>();
    }
  }

  template <typename T>
  T number(bool is_type = false) {
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    fields_.push_back({offset_, sizeof(T), is_type});
    offset_ += sizeof(T);
    return value;
  }
  std::string string() {
    const auto length = number<uint64_t>();
    const auto* text = reinterpret_cast<const char*>(bytes_.data() + offset_);
    offset_ += length;
    return {text, length};
  }
  void value(uint32_t type) {
    constexpr size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) {
      string();
    } else if (type == 9) {
      array();
    } else {
      fields_.push_back({offset_, kSizes[type], false, type == 6 || type == 12});
      offset_ += kSizes[type];
    }
  }
  /// Of a long array only the ends are fields, so that a vocabulary does not take all the time.
  void array() {
    const auto element = number<uint32_t>(true);
    const auto count = number<uint64_t>();
    for (uint64_t i = 0; i < count; ++i) {
      const size_t before = fields_.size();
      value(element);
      if (i >= 2 && i + 2 < count) fields_.resize(before);
    }
  }

  std::span<const std::byte> bytes_;
  size_t offset_ = 0;
  std::vector<Field> fields_;
  std::vector<EntryPlace> entries_;
};

/// Values at which arithmetic on a count, length, size or offset goes wrong.
inline std::vector<uint64_t> boundary_values(uint64_t original) {
  std::vector<uint64_t> values = {0,  1,  2,  3,  4,   5,   7,   8,   9,     13,   31,
                                  32, 33, 64, 65, 127, 128, 255, 256, 65535, 65536};
  for (const uint64_t shift : {16U, 24U, 26U, 31U, 32U, 33U, 42U, 56U, 59U, 60U, 61U, 62U, 63U}) {
    const uint64_t power = uint64_t{1} << shift;
    values.insert(values.end(), {power - 1, power, power + 1});
  }
  values.insert(values.end(), {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 7, UINT64_MAX - 31, UINT64_MAX / 14,
                               UINT64_MAX / 33, original + 1, original - 1, original * 2, original / 2});
  return values;
}

/// The bits of floats that are no sane setting, NaN and infinities among them.
template <typename T>
std::vector<uint64_t> float_bits() {
  using Limits = std::numeric_limits<T>;
  std::vector<uint64_t> values;
  for (const T value :
       {Limits::quiet_NaN(), Limits::infinity(), Limits::max(), Limits::min(), Limits::denorm_min(),
        static_cast<T>(1e-30), static_cast<T>(1e30), T{0}, T{0.5}, T{1}, T{1000000}}) {
    for (const T signed_value : {value, -value}) {
      uint64_t bits = 0;
      std::memcpy(&bits, &signed_value, sizeof(T));
      values.push_back(bits);
    }
  }
  return values;
}

/// What a field is set to, one value at a time. A type is set to every id of a byte.
inline std::vector<uint64_t> field_values(const Field& field, std::span<const std::byte> file) {
  uint64_t original = 0;
  std::memcpy(&original, file.data() + field.offset, field.width);
  std::vector<uint64_t> values = boundary_values(original);
  if (field.is_float) values = field.width == 4 ? float_bits<float>() : float_bits<double>();
  for (uint64_t value = 0; field.is_type && value < 256; ++value) values.push_back(value);
  return values;
}

/// `file` with bytes [begin, end) of its header replaced; the data of the tensors stays aligned.
inline Bytes splice(const Bytes& file, size_t header_bytes, size_t begin, size_t end, const Bytes& with) {
  const auto pad = [](size_t size) {
    return (size + kDefaultAlignment - 1) / kDefaultAlignment * kDefaultAlignment;
  };
  const std::span<const std::byte> all(file);
  Bytes out;
  append(out, all.first(begin));
  append(out, with);
  append(out, all.subspan(end, header_bytes - end));
  out.resize(pad(out.size()));
  append(out, all.subspan(pad(header_bytes)));
  return out;
}

/// Adds to the number of metadata entries that the header tells.
inline void add_to_entry_count(Bytes& file, int64_t difference) {
  constexpr size_t kOffset = 16;
  uint64_t count = 0;
  std::memcpy(&count, file.data() + kOffset, sizeof(count));
  count += static_cast<uint64_t>(difference);
  std::memcpy(file.data() + kOffset, &count, sizeof(count));
}

/// An array value, its type first: `count` elements of type `element` whose bytes are `elements`.
inline Bytes array_value(uint32_t element, uint64_t count, const Bytes& elements) {
  Bytes out = bytes_of(uint32_t{9});
  append(out, bytes_of(element));
  append(out, bytes_of(count));
  append(out, elements);
  return out;
}

/// Well-formed values of every type, each with its type in front: what a key may hold instead of its own.
inline std::vector<Bytes> other_values() {
  std::vector<Bytes> values;
  constexpr size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  for (uint32_t type = 0; type < std::size(kSizes); ++type) {
    if (kSizes[type] == 0) continue;
    for (const int fill : {0x00, 0x01, 0x7F, 0xFF}) {
      if (type == 7 && fill > 1) continue;  // a bool
      Bytes scalar(kSizes[type], static_cast<std::byte>(fill));
      if (fill == 1) scalar = Bytes(kSizes[type]), scalar[0] = std::byte{1};
      Bytes value = bytes_of(type);
      append(value, scalar);
      values.push_back(value);
      values.push_back(array_value(type, 1, scalar));
    }
    values.push_back(array_value(type, 0, {}));
  }
  const std::string texts[] = {"",
                               "x",
                               "llama",
                               "gpt2",
                               "gemma3",
                               "none",
                               std::string("\x1b[2J\r\n\0\x7f", 8),
                               "{{ x",
                               "\xff\xfe a",
                               "\xE2\x80\xAE",
                               std::string(5000, 'y'),
                               "{% for a in b %}"};
  for (const std::string& text : texts) {
    Bytes value = bytes_of(uint32_t{8});
    append(value, string_bytes(text));
    values.push_back(value);
    values.push_back(array_value(8, 1, string_bytes(text)));
  }
  values.push_back(array_value(8, 0, {}));
  return values;
}

/// The value of an entry, an array, without its first or last element, with one twice, and with all twice;
/// none for other entries.
inline std::vector<Bytes> array_edits(const Bytes& file, const EntryPlace& place) {
  uint32_t type = 0;
  std::memcpy(&type, file.data() + place.type, sizeof(type));
  if (type != 9) return {};
  uint32_t element = 0;
  uint64_t count = 0;
  std::memcpy(&element, file.data() + place.type + 4, sizeof(element));
  std::memcpy(&count, file.data() + place.type + 8, sizeof(count));
  if (count == 0) return {};
  const std::span<const std::byte> body =
      std::span(file).subspan(place.type + 16, place.end - place.type - 16);
  std::vector<size_t> ends;  // of the elements
  for (size_t at = 0; at < body.size(); ends.push_back(at)) {
    uint64_t length = 0;
    if (element == 8) std::memcpy(&length, body.data() + at, sizeof(length));
    at += element == 8 ? sizeof(length) + length : body.size() / count;
  }
  const auto joined = [&](std::span<const std::byte> a, std::span<const std::byte> b, uint64_t n) {
    Bytes elements(a.begin(), a.end());
    append(elements, b);
    return array_value(element, n, elements);
  };
  const size_t before_last = count > 1 ? ends[count - 2] : 0;
  return {joined({}, {}, 0),
          joined(body.subspan(ends[0]), {}, count - 1),
          joined(body.first(before_last), {}, count - 1),
          joined(body, body.subspan(before_last), count + 1),
          joined(body.first(ends[0]), body, count + 1),
          joined(body, body, 2 * count),
          joined(body.subspan(ends[0]), body.first(ends[0]), count)};
}

/// Every edit of every metadata entry, as whole files: left out, twice, another value, another array.
inline std::vector<Bytes> entry_edits(const Bytes& file, const EntryPlace& place, size_t header_bytes) {
  std::vector<Bytes> files;
  files.push_back(splice(file, header_bytes, place.begin, place.end, {}));
  add_to_entry_count(files.back(), -1);
  const Bytes entry(file.begin() + static_cast<std::ptrdiff_t>(place.begin),
                    file.begin() + static_cast<std::ptrdiff_t>(place.end));
  files.push_back(splice(file, header_bytes, place.begin, place.begin, entry));
  add_to_entry_count(files.back(), 1);
  std::vector<Bytes> values = other_values();
  for (Bytes& edit : array_edits(file, place)) values.push_back(std::move(edit));
  for (const Bytes& value : values) files.push_back(splice(file, header_bytes, place.type, place.end, value));
  return files;
}

}  // namespace pellucid::gguf::test
