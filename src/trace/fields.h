// Reads the members of a JSON object that somebody else wrote. The first that is missing, of another type or
// out of range is the error; reading goes on with zeros, so that the reader is a list of fields.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pellucid::trace {

/// The whole number that a value is; none where it is something else.
std::optional<uint64_t> whole_of(const boost::json::value& value);

class Fields {
 public:
  /// The members of `value`, which has to be an object.
  explicit Fields(const boost::json::value& value);

  /// The error of kUsage is named by the field: "draw.u" is missing, or is not what it has to be.
  [[nodiscard]] Result<void> status() const;
  [[nodiscard]] bool ok() const { return problem_.empty(); }
  /// A problem that the caller sees; the first one counts.
  void refuse(std::string problem);

  [[nodiscard]] bool has(std::string_view name) const;
  /// The field is not what is wanted, in words.
  void wrong(std::string_view name, std::string_view wanted);

  uint64_t whole(std::string_view name, uint64_t least, uint64_t most);
  int integer(std::string_view name, int least, int most);
  double number(std::string_view name, double least, double most);  // finite
  std::optional<double> number_or_null(std::string_view name);
  bool boolean(std::string_view name);
  std::string text(std::string_view name);
  std::string text_or_null(std::string_view name);               // "" for null
  uint64_t hash(std::string_view name);                          // 16 hexadecimal digits
  std::vector<int32_t> ids(std::string_view name, int n_vocab);  // 0 .. n_vocab - 1
  std::string bytes(std::string_view name);                      // NAME_bytes, or else the text NAME
  std::vector<std::string> texts(std::string_view name);
  const boost::json::array& list(std::string_view name);
  const boost::json::object& object(std::string_view name);

  /// Calls read(fields) with the object `name`; its problems become those of this one.
  template <typename Read>
  auto in(std::string_view name, const Read& read) {
    Fields inner(value(name), path(name));
    auto result = read(inner);
    refuse(inner.problem_);
    return result;
  }
  /// The same for each object of a list.
  template <typename Read>
  auto each(std::string_view name, const Read& read) {
    std::vector<decltype(read(*this))> results;
    size_t i = 0;
    for (const boost::json::value& entry : list(name)) {
      Fields inner(entry, path(name) + '[' + std::to_string(i++) + ']');
      results.push_back(read(inner));
      refuse(inner.problem_);
      if (!ok()) break;
    }
    return results;
  }

 private:
  Fields(const boost::json::value& value, std::string where);
  const boost::json::value& value(std::string_view name);
  [[nodiscard]] std::string path(std::string_view name) const;

  std::string where_;  // "" or "draw"
  const boost::json::object* members_;
  std::string problem_;
};

}  // namespace pellucid::trace
