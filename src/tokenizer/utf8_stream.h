// Bytes of tokens in, text out: a token may end in the middle of a character, a reader must never see that.
#pragma once

#include <string>
#include <string_view>

namespace pellucid::tokenizer {

/// Emits complete characters only. Ill-formed bytes come out as U+FFFD, one for each maximal subpart of an
/// ill-formed sequence (Unicode 15 section 3.9, "U+FFFD Substitution of Maximal Subparts", which is also the
/// rule of the WHATWG decoder): E2 82 followed by a letter is one U+FFFD, C0 AF is two. A value: copying it
/// copies the state.
class Utf8Stream {
 public:
  /// The characters that `bytes` completes. At most 3 bytes are held back.
  std::string push(std::string_view bytes);
  /// What is left: U+FFFD where the stream ended inside a character, else nothing. The stream is then as new.
  std::string finish();

 private:
  std::string pending_;  // a prefix of a well-formed character, at most 3 bytes
};

}  // namespace pellucid::tokenizer
