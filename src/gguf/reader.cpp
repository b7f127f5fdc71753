#include "gguf/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "gguf/cursor.h"

namespace pellucid::gguf {
namespace {

/// What people hand over instead of a GGUF file, by its first bytes.
struct OtherFormat {
  std::string_view start;
  std::string_view name;
};

constexpr OtherFormat kOtherFormats[] = {
    {std::string_view("PK\x03\x04", 4), "a zip archive, such as a PyTorch checkpoint"},
    {"\x80\x02", "a Python pickle, such as an old PyTorch checkpoint"},
    {"\x80\x03", "a Python pickle"},
    {"\x80\x04", "a Python pickle"},
    {"\x80\x05", "a Python pickle"},
    {"lmgg", "a GGML file from before GGUF"},
    {"fmgg", "a GGML file from before GGUF"},
    {"tjgg", "a GGML file from before GGUF"},
    {"\x1f\x8b", "a gzip archive"},
    {"version https://git-lfs", "a Git LFS pointer, not the model itself"},
    {"<!DOCTYPE", "a web page"},
    {"<html", "a web page"},
    {"{", "a JSON file"},
};

/// The name of the format of a file that is not GGUF, or nothing.
std::string_view other_format(std::string_view start) {
  for (const OtherFormat& row : kOtherFormats) {
    if (start.starts_with(row.start)) return row.name;
  }
  // safetensors: the length of a JSON header (below 100 MB, so its upper half is zero), then the header.
  if (start.size() > 8 && start[8] == '{' && start.substr(4, 4) == std::string_view("\0\0\0\0", 4)) {
    return "a safetensors file";
  }
  return {};
}

/// Puts `context` before the reason of an error.
Error within(std::string_view context, const Error& error) {
  return {error.code, error.what, fmt::format("{}, {}", context, error.why)};
}

constexpr uint32_t swap_bytes(uint32_t x) {
  return x << 24 | (x & 0xFF00) << 8 | (x >> 8 & 0xFF00) | x >> 24;
}

std::string type_name(uint32_t id) {
  if (id >= kGgmlTypeNames.size()) return fmt::format("unknown type {}", id);
  return fmt::format("type {} ({}){}", kGgmlTypeNames[id], id,
                     is_removed_ggml_type(id) ? ", withdrawn by ggml," : "");
}

}  // namespace

/// One pass over the bytes, in the order of the file.
class Parser {
 public:
  explicit Parser(std::span<const std::byte> bytes) : bytes_(bytes), cursor_(bytes) {}

  Result<File> parse() {
    PELLUCID_CHECK(magic());
    PELLUCID_CHECK(version());
    PELLUCID_TRY(n_tensors_, cursor_.count(kMinTensorRecordBytes, UINT64_MAX, "number of tensors"));
    PELLUCID_TRY(n_entries_, cursor_.count(kMinEntryBytes, UINT64_MAX, "number of metadata entries"));
    PELLUCID_CHECK(metadata());
    PELLUCID_CHECK(alignment());
    PELLUCID_CHECK(tensor_records());
    PELLUCID_CHECK(tensor_data());
    PELLUCID_CHECK(no_overlap());
    file_.size_bytes_ = bytes_.size();
    return std::move(file_);
  }

 private:
  /// Where the file says that the data of a tensor lies, relative to the start of the data.
  struct Place {
    uint64_t offset;
    uint64_t bytes;
    size_t tensor;
  };

  Result<void> magic();
  Result<void> version();
  Result<void> metadata();
  Result<Entry> entry();
  Result<ValueType> value_type(std::string_view field);
  Result<Value> value(ValueType type);
  Result<bool> boolean();
  Result<Value> array();
  Result<void> alignment();
  Result<void> tensor_records();
  Result<void> tensor_record();
  Result<void> shape(Tensor& tensor);
  Result<const TensorTypeInfo*> tensor_type();
  Result<void> tensor_data();
  Result<void> no_overlap();
  Result<std::string_view> name(uint64_t max_bytes, std::string_view field);

  template <typename Wide, typename T>
  Result<Value> scalar() {
    PELLUCID_TRY(const T number, cursor_.number<T>("value"));
    return Value(static_cast<Wide>(number));
  }

  std::span<const std::byte> bytes_;
  Cursor cursor_;
  File file_;
  uint64_t n_tensors_ = 0;
  uint64_t n_entries_ = 0;
  uint32_t alignment_ = kDefaultAlignment;
  std::vector<Place> places_;
};

Result<void> Parser::magic() {
  const std::string_view start(reinterpret_cast<const char*>(bytes_.data()),
                               std::min<size_t>(bytes_.size(), 32));
  if (start.starts_with(kMagic)) {
    PELLUCID_CHECK(cursor_.take(kMagic.size(), "magic"));
    return {};
  }
  const std::string_view other = other_format(start);
  if (!other.empty()) {
    return field_error(ErrorCode::kUnsupported, "magic", 0,
                       fmt::format("this is {}, a GGUF file is needed", other));
  }
  if (kMagic.starts_with(start)) {
    return field_error(ErrorCode::kBadModel, "magic", 0,
                       fmt::format("the file is truncated (4 bytes needed, {} left)", start.size()));
  }
  return field_error(ErrorCode::kBadModel, "magic", 0, "this is not a GGUF file");
}

Result<void> Parser::version() {
  const uint64_t at = cursor_.offset();
  PELLUCID_TRY(const uint32_t version, cursor_.number<uint32_t>("version"));
  if (version >= kMinVersion && version <= kMaxVersion) {
    file_.version_ = version;
    return {};
  }
  if (version == 0) return field_error(ErrorCode::kBadModel, "version", at, "0 is not a version of GGUF");
  if (version == 1) {
    return field_error(ErrorCode::kUnsupported, "version", at,
                       "GGUF version 1 is too old, versions 2 and 3 are supported");
  }
  if (const uint32_t swapped = swap_bytes(version); swapped >= 1 && swapped <= kMaxVersion) {
    return field_error(ErrorCode::kUnsupported, "version", at,
                       "this is a big-endian file, only little-endian ones are supported");
  }
  return field_error(ErrorCode::kUnsupported, "version", at,
                     fmt::format("GGUF version {} is newer than this program, which reads 2 and 3", version));
}

/// A key or the name of a tensor: printable ASCII, not empty.
Result<std::string_view> Parser::name(uint64_t max_bytes, std::string_view field) {
  const uint64_t at = cursor_.offset();
  PELLUCID_TRY(const std::string_view text, cursor_.string(max_bytes, field));
  if (text.empty()) return field_error(ErrorCode::kBadModel, field, at, "it is empty");
  const auto refused = std::find_if(text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7E; });
  if (refused == text.end()) return text;
  return field_error(ErrorCode::kBadModel, field, at, in_quotes(text) + " is not printable ASCII");
}

Result<void> Parser::metadata() {
  for (uint64_t i = 0; i < n_entries_; ++i) {
    const uint64_t at = cursor_.offset();
    auto parsed = entry();
    if (!parsed.ok()) return within(fmt::format("metadata entry {}", i), parsed.error());
    const std::string_view key = parsed.value().key;
    if (file_.metadata_.add(std::move(parsed).value())) continue;
    return field_error(ErrorCode::kBadModel, fmt::format("metadata entry {}, key", i), at,
                       in_quotes(key) + " is there twice");
  }
  return {};
}

Result<Entry> Parser::entry() {
  PELLUCID_TRY(const std::string_view key, name(kMaxKeyBytes, "key"));
  auto type = value_type("value type");
  if (!type.ok()) return within(in_quotes(key), type.error());
  auto parsed = value(type.value());
  if (!parsed.ok()) return within(in_quotes(key), parsed.error());
  return Entry{key, type.value(), std::move(parsed).value()};
}

Result<ValueType> Parser::value_type(std::string_view field) {
  const uint64_t at = cursor_.offset();
  PELLUCID_TRY(const uint32_t id, cursor_.number<uint32_t>(field));
  if (id < kValueTypes.size()) return static_cast<ValueType>(id);
  return field_error(ErrorCode::kBadModel, field, at, fmt::format("{} is not a value type of GGUF", id));
}

Result<Value> Parser::value(ValueType type) {
  switch (type) {
    case ValueType::kUint8:
      return scalar<uint64_t, uint8_t>();
    case ValueType::kInt8:
      return scalar<int64_t, int8_t>();
    case ValueType::kUint16:
      return scalar<uint64_t, uint16_t>();
    case ValueType::kInt16:
      return scalar<int64_t, int16_t>();
    case ValueType::kUint32:
      return scalar<uint64_t, uint32_t>();
    case ValueType::kInt32:
      return scalar<int64_t, int32_t>();
    case ValueType::kUint64:
      return scalar<uint64_t, uint64_t>();
    case ValueType::kInt64:
      return scalar<int64_t, int64_t>();
    case ValueType::kFloat32:
      return scalar<double, float>();
    case ValueType::kFloat64:
      return scalar<double, double>();
    case ValueType::kBool: {
      PELLUCID_TRY(const bool flag, boolean());
      return Value(flag);
    }
    case ValueType::kString: {
      PELLUCID_TRY(const std::string_view text, cursor_.string(kMaxStringBytes, "string"));
      return Value(text);
    }
    case ValueType::kArray:
      return array();
  }
  return field_error(ErrorCode::kBadModel, "value", cursor_.offset(), "it has no type");
}

Result<bool> Parser::boolean() {
  const uint64_t at = cursor_.offset();
  PELLUCID_TRY(const uint8_t byte, cursor_.number<uint8_t>("bool"));
  if (byte <= 1) return byte == 1;
  return field_error(ErrorCode::kBadModel, "bool", at, fmt::format("it is 0 or 1, the file has {}", byte));
}

Result<Value> Parser::array() {
  const uint64_t at = cursor_.offset();
  PELLUCID_TRY(const ValueType element, value_type("element type"));
  if (element == ValueType::kArray) {
    return field_error(ErrorCode::kUnsupported, "element type", at, "arrays of arrays are not supported");
  }
  const uint64_t element_bytes = element == ValueType::kString ? kMinStringBytes : info(element).bytes;
  PELLUCID_TRY(const uint64_t count, cursor_.count(element_bytes, kMaxArrayCount, "array length"));
  Array out{element, count, {}, {}};
  if (element == ValueType::kString) {
    out.strings.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      auto text = cursor_.string(kMaxStringBytes, "string");
      if (!text.ok()) return within(fmt::format("element {}", i), text.error());
      out.strings.push_back(text.value());
    }
  } else if (element == ValueType::kBool) {
    PELLUCID_TRY(out.bytes, Cursor(cursor_).take(count, "array"));
    for (uint64_t i = 0; i < count; ++i) PELLUCID_CHECK(boolean());
  } else {
    PELLUCID_TRY(out.bytes, cursor_.take(count * element_bytes, "array"));
  }
  return Value(std::move(out));
}

Result<void> Parser::alignment() {
  const Entry* entry = file_.metadata_.find(kAlignmentKey);
  if (entry == nullptr) return {};
  const auto* value = std::get_if<uint64_t>(&entry->value);
  const Error refused{ErrorCode::kBadModel, "cannot read the model",
                      fmt::format("'{}' is a uint32, a power of two from {} to {}", kAlignmentKey,
                                  kMinAlignment, kMaxAlignment)};
  if (entry->type != ValueType::kUint32 || value == nullptr) return refused;
  if (*value < kMinAlignment || *value > kMaxAlignment || !std::has_single_bit(*value)) return refused;
  alignment_ = static_cast<uint32_t>(*value);
  return {};
}

Result<void> Parser::tensor_records() {
  for (uint64_t i = 0; i < n_tensors_; ++i) {
    if (auto parsed = tensor_record(); !parsed.ok()) {
      return within(fmt::format("tensor {}", i), parsed.error());
    }
  }
  return {};
}

Result<void> Parser::tensor_record() {
  const uint64_t at = cursor_.offset();
  Tensor tensor{};
  PELLUCID_TRY(tensor.name, name(kMaxTensorNameBytes, "name"));
  if (!file_.index_.emplace(tensor.name, file_.tensors_.size()).second) {
    return field_error(ErrorCode::kBadModel, "name", at, in_quotes(tensor.name) + " is there twice");
  }
  if (auto rest = shape(tensor); !rest.ok()) return within(in_quotes(tensor.name), rest.error());
  return {};
}

/// Dims, type and offset of a tensor whose name is read, and the size that follows from them.
Result<void> Parser::shape(Tensor& tensor) {
  const uint64_t at = cursor_.offset();
  PELLUCID_TRY(tensor.n_dims, cursor_.number<uint32_t>("number of dims"));
  if (tensor.n_dims < 1 || tensor.n_dims > kMaxDims) {
    return field_error(ErrorCode::kBadModel, "number of dims", at,
                       fmt::format("it is from 1 to {}, the file has {}", kMaxDims, tensor.n_dims));
  }
  tensor.dims.fill(1);
  std::optional<uint64_t> n_values = 1;
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    const uint64_t dim_at = cursor_.offset();
    PELLUCID_TRY(tensor.dims[i], cursor_.number<uint64_t>("dim"));
    if (tensor.dims[i] == 0) return field_error(ErrorCode::kBadModel, "dim", dim_at, "it is 0");
    if (n_values) n_values = checked_multiply(*n_values, tensor.dims[i]);
  }
  PELLUCID_TRY(const TensorTypeInfo* type, tensor_type());
  tensor.type = type->type;
  if (tensor.dims[0] % type->block_values != 0) {
    return field_error(ErrorCode::kBadModel, "dims", at,
                       fmt::format("rows of {} values are not whole blocks of {}, which type {} needs",
                                   tensor.dims[0], type->block_values, type->name));
  }
  // Whole rows are whole blocks, so the division is exact.
  const auto bytes =
      n_values ? checked_multiply(*n_values / type->block_values, type->block_bytes) : std::nullopt;
  if (!bytes)
    return field_error(ErrorCode::kBadModel, "dims", at, "the size of the tensor overflows 64 bits");
  PELLUCID_TRY(const uint64_t offset, cursor_.number<uint64_t>("offset"));
  places_.push_back({offset, *bytes, file_.tensors_.size()});
  file_.tensors_.push_back(tensor);
  return {};
}

Result<const TensorTypeInfo*> Parser::tensor_type() {
  const uint64_t at = cursor_.offset();
  PELLUCID_TRY(const uint32_t id, cursor_.number<uint32_t>("type"));
  if (const TensorTypeInfo* row = find_tensor_type(id)) return row;
  const ErrorCode code = id < kGgmlTypeNames.size() ? ErrorCode::kUnsupported : ErrorCode::kBadModel;
  return field_error(code, "type", at, type_name(id) + " is not supported");
}

Result<void> Parser::tensor_data() {
  if (places_.empty()) return {};
  const uint64_t padding = (alignment_ - cursor_.offset() % alignment_) % alignment_;
  PELLUCID_CHECK(cursor_.take(padding, "padding before the tensor data"));
  const auto data = bytes_.subspan(cursor_.offset());
  for (const Place& place : places_) {
    Tensor& tensor = file_.tensors_[place.tensor];
    const auto refused = [&](std::string_view why) {
      return Error{ErrorCode::kBadModel, "cannot read the model",
                   fmt::format("tensor {}, {}, {}", place.tensor, in_quotes(tensor.name), why)};
    };
    if (place.offset % alignment_ != 0) {
      return refused(
          fmt::format("offset {} is not a multiple of the alignment {}", place.offset, alignment_));
    }
    if (place.offset > data.size() || place.bytes > data.size() - place.offset) {
      return refused(fmt::format("the file is truncated ({} bytes needed at {} of the data, which has {})",
                                 place.bytes, place.offset, data.size()));
    }
    tensor.data = data.subspan(place.offset, place.bytes);
  }
  return {};
}

Result<void> Parser::no_overlap() {
  std::sort(places_.begin(), places_.end(),
            [](const Place& a, const Place& b) { return a.offset < b.offset; });
  for (size_t i = 1; i < places_.size(); ++i) {
    const Place& before = places_[i - 1];
    // No overflow: tensor_data() found both ends inside the file.
    if (before.offset + before.bytes <= places_[i].offset) continue;
    return Error{ErrorCode::kBadModel, "cannot read the model",
                 fmt::format("tensors {} and {} overlap", in_quotes(file_.tensors_[before.tensor].name),
                             in_quotes(file_.tensors_[places_[i].tensor].name))};
  }
  return {};
}

Result<File> File::parse(std::span<const std::byte> bytes) { return Parser(bytes).parse(); }

Result<File> File::open(const std::string& path) {
  PELLUCID_TRY(MappedFile mapping, MappedFile::open(path));
  auto parsed = parse(mapping.bytes());
  if (!parsed.ok()) {
    return Error{parsed.error().code, fmt::format("cannot read the model {}", in_quotes(path, kWhole)),
                 parsed.error().why};
  }
  File file = std::move(parsed).value();
  file.mapping_ = std::move(mapping);
  return file;
}

const Tensor* File::find_tensor(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace pellucid::gguf
