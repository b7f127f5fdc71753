#include "tokenizer/text_index.h"

#include <sys/random.h>

namespace pellucid::tokenizer {

HashKeys random_hash_keys() {
  HashKeys keys{0x9E3779B97F4A7C15u, 0xD6E8FEB86659FD93u};  // where the system has nothing random to give
  (void)!::getrandom(&keys, sizeof(keys), GRND_NONBLOCK);
  keys.factor |= 1;
  return keys;
}

}  // namespace pellucid::tokenizer
