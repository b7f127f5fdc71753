// Where a generation ends by its text: stop strings, found across the borders of tokens. Pure: no model, no
// clock.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pellucid::generation {

/// Text goes in as it is generated; what cannot be the beginning of a stop string comes out. A value: copying
/// it copies the state.
class StopStrings {
 public:
  /// None of `strings` is empty.
  explicit StopStrings(std::vector<std::string> strings);

  /// The text that is now certain. Once stopped() the text before the stop string has come out and nothing
  /// more does.
  std::string push(std::string_view text);
  /// What was held back, at the end of a generation that did not stop.
  std::string finish();
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  [[nodiscard]] size_t held_length() const;

  std::shared_ptr<const std::vector<std::string>> strings_;
  std::string held_;  // the longest tail of the text so far that begins a stop string
  bool stopped_ = false;
};

}  // namespace pellucid::generation
