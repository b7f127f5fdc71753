/* The C interface of the Rust crate in this folder: chat templates in Jinja, as model files carry them.
 *
 * Nothing here prints, aborts, throws or keeps a pointer it was lent: texts are borrowed for the call and
 * need no terminator. A compiled template is immutable, so any number of threads may render it at once. */
#ifndef PELLUCID_BRIDGE_H
#define PELLUCID_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A text lent by the caller. */
typedef struct pellucid_view {
  const char* data;
  size_t size;
} pellucid_view;

/* A text owned by the bridge, until pellucid_text_free. */
typedef struct pellucid_text {
  char* data;
  size_t size;
} pellucid_text;

typedef struct pellucid_message {
  pellucid_view role;
  pellucid_view content;
} pellucid_message;

typedef enum pellucid_status {
  PELLUCID_OK = 0,
  PELLUCID_TEMPLATE_WRONG = 1,   /* it does not parse, or fails on every such conversation */
  PELLUCID_TEMPLATE_REFUSES = 2, /* it called raise_exception: the conversation is not one it takes */
  PELLUCID_LIMIT = 3,            /* a bound on length, work, depth or output was reached */
  PELLUCID_NOT_UTF8 = 4          /* an argument is not UTF-8 */
} pellucid_status;

typedef struct pellucid_template pellucid_template;

/* Compiles `source`. On success sets *compiled, to be released with pellucid_template_free; on failure sets
 * *error to one line that names the template's line. */
pellucid_status pellucid_template_compile(pellucid_view source, pellucid_view bos, pellucid_view eos,
                                          pellucid_template** compiled, pellucid_text* error);

/* Renders `n_messages` messages. *text becomes the prompt, or one line that says what is wrong; it is always
 * to be freed. `now` feeds strftime_now, which is not defined where it is NULL. */
pellucid_status pellucid_template_render(const pellucid_template* compiled, const pellucid_message* messages,
                                         size_t n_messages, bool add_generation_prompt, const struct tm* now,
                                         pellucid_text* text);

void pellucid_template_free(pellucid_template* compiled);
void pellucid_text_free(pellucid_text text);

#ifdef __cplusplus
}
#endif

#endif /* PELLUCID_BRIDGE_H */
