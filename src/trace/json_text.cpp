#include "trace/json_text.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <string>

namespace pellucid::trace {
namespace {

namespace json = boost::json;
using Code = json::error_code;

/// What the parser reports, as a value. Texts may come in parts; numbers do not, for the whole text is there.
class Builder {
 public:
  static constexpr size_t max_object_size = json::object::max_size();
  static constexpr size_t max_array_size = json::array::max_size();
  static constexpr size_t max_key_size = json::string::max_size();
  static constexpr size_t max_string_size = json::string::max_size();

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(size_t n, Code&) { return stack.push_object(n), true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(size_t n, Code&) { return stack.push_array(n), true; }
  bool on_key_part(json::string_view part, size_t, Code&) { return stack.push_chars(part), true; }
  bool on_key(json::string_view part, size_t, Code&) { return stack.push_key(part), true; }
  bool on_string_part(json::string_view part, size_t, Code&) { return stack.push_chars(part), true; }
  bool on_string(json::string_view part, size_t, Code&) { return stack.push_string(part), true; }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(int64_t number, json::string_view, Code&) { return stack.push_int64(number), true; }
  bool on_uint64(uint64_t number, json::string_view, Code&) { return stack.push_uint64(number), true; }
  bool on_double(double, json::string_view text, Code& code) {
    double number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc() || end != text.data() + text.size()) {
      code = json::error::exponent_overflow;
      return false;
    }
    stack.push_double(number);
    return true;
  }
  bool on_bool(bool value, Code&) { return stack.push_bool(value), true; }
  bool on_null(Code&) { return stack.push_null(), true; }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

  json::value_stack stack;
};

}  // namespace

Result<json::value> parse_json(std::string_view text) {
  json::basic_parser<Builder> parser{json::parse_options{}};
  parser.handler().stack.reset();
  Code code;
  const size_t read = parser.write_some(false, text.data(), text.size(), code);
  if (!code && text.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
    code = json::error::extra_data;
  if (code)
    return Error{ErrorCode::kUsage, "no JSON", fmt::format("{} at byte {}", code.message(), read + 1)};
  return parser.handler().stack.release();
}

}  // namespace pellucid::trace
