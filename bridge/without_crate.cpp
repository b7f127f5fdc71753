// Stands in for the Rust crate where that is not built: a text is generated without it, but not guided.
#include "bridge/include/pellucid_bridge.h"

pellucid_status pellucid_vocabulary_make(const pellucid_view*, size_t, const uint32_t*, size_t,
                                         pellucid_vocabulary**, pellucid_text*) {
  return PELLUCID_UNSUPPORTED;
}
void pellucid_vocabulary_free(pellucid_vocabulary*) {}

pellucid_status pellucid_guide_compile(const pellucid_vocabulary*, pellucid_guide_kind, const pellucid_view*,
                                       size_t, pellucid_guide**, pellucid_text*) {
  return PELLUCID_UNSUPPORTED;
}
pellucid_guide* pellucid_guide_copy(const pellucid_guide*) { return nullptr; }
void pellucid_guide_free(pellucid_guide*) {}
pellucid_status pellucid_guide_allowed(pellucid_guide*, uint32_t*, size_t, pellucid_text*) {
  return PELLUCID_UNSUPPORTED;
}
pellucid_status pellucid_guide_take(pellucid_guide*, uint32_t, pellucid_text*) {
  return PELLUCID_UNSUPPORTED;
}
bool pellucid_guide_ended(const pellucid_guide*) { return false; }
void pellucid_text_free(pellucid_text) {}
