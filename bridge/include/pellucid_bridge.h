/* The C interface of the Rust crate in this folder: chat templates in Jinja, as model files carry them, and
 * guides, which say what tokens a text of a given structure may go on with.
 *
 * Nothing here prints, aborts, throws or keeps a pointer it was lent: texts are borrowed for the call and
 * need no terminator. A compiled template is immutable, so any number of threads may render it at once. */
#ifndef PELLUCID_BRIDGE_H
#define PELLUCID_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
  PELLUCID_WRONG = 1,      /* it does not parse, or a template fails on every such conversation */
  PELLUCID_REFUSED = 2,    /* a template called raise_exception, or a guide does not allow the token */
  PELLUCID_LIMIT = 3,      /* a bound on length, work, depth or output was reached */
  PELLUCID_NOT_UTF8 = 4,   /* an argument is not UTF-8 */
  PELLUCID_UNSUPPORTED = 5 /* the library was built without it */
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

/* The tokens of a model, arranged for guides. Immutable; any number of threads may use one. */
typedef struct pellucid_vocabulary pellucid_vocabulary;

/* `tokens[i]` are the bytes of token i. Of a token that is not text they are 0xFF and its name, by which a
 * grammar may ask for it; one without bytes is never allowed. `end_ids` end a text. */
pellucid_status pellucid_vocabulary_make(const pellucid_view* tokens, size_t n_tokens,
                                         const uint32_t* end_ids, size_t n_end_ids,
                                         pellucid_vocabulary** made, pellucid_text* error);
void pellucid_vocabulary_free(pellucid_vocabulary* vocabulary);

typedef enum pellucid_guide_kind {
  PELLUCID_JSON_SCHEMA = 0,
  PELLUCID_REGEX = 1,  /* that matches the whole text */
  PELLUCID_CHOICE = 2, /* one of several texts */
  PELLUCID_GRAMMAR = 3 /* in llguidance's variant of Lark */
} pellucid_guide_kind;

/* A text under way that has to be of some structure. One caller at a time; copies are independent. */
typedef struct pellucid_guide pellucid_guide;

/* A guide for a text that is still empty, made from one source, or from the choices. It refers to the
 * vocabulary by count: either may be freed first. */
pellucid_status pellucid_guide_compile(const pellucid_vocabulary* vocabulary, pellucid_guide_kind kind,
                                       const pellucid_view* sources, size_t n_sources,
                                       pellucid_guide** compiled, pellucid_text* error);
pellucid_guide* pellucid_guide_copy(const pellucid_guide* guide); /* NULL where that fails */
void pellucid_guide_free(pellucid_guide* guide);

/* Sets bit i % 32 of word i / 32 where token i may come next, and clears the others. Tokens that end a text
 * may where the text is complete, and nothing else may once it has ended. */
pellucid_status pellucid_guide_allowed(pellucid_guide* guide, uint32_t* words, size_t n_words,
                                       pellucid_text* error);
/* The text goes on with a token. Where that is not allowed (PELLUCID_REFUSED) nothing changes. */
pellucid_status pellucid_guide_take(pellucid_guide* guide, uint32_t token, pellucid_text* error);
/* True where the text is complete and nothing can follow. */
bool pellucid_guide_ended(const pellucid_guide* guide);

#ifdef __cplusplus
}
#endif

#endif /* PELLUCID_BRIDGE_H */
