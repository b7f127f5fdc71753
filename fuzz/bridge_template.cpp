// Any chat template on any conversation: a prompt, or one proper error; twice the same; soon. The interpreter
// is Rust and has no counters for the fuzzer, so bytes choose pieces of templates, which nest and clash,
// beside text of their own.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "bridge/chat_template.h"
#include "fuzz_bytes.h"

namespace {

using pellucid::ErrorCode;
using pellucid::bridge::ChatTemplate;
using pellucid::bridge::Message;
using pellucid::test::FuzzInput;

constexpr const char* kPieces[] = {
    "{% for m in messages %}",
    "{% for a, b in m.items() %}",
    "{% for i in range(9) %}",
    "{% endfor %}",
    "{% if m.role == 'user' %}",
    "{% if loop.first and not loop.last %}",
    "{% elif messages[1:] %}",
    "{% else %}",
    "{% endif %}",
    "{% set x = ",
    "{% set ns = namespace(n=0, l=[]) %}",
    "{% set ns.l = ns.l + [x] %}",
    "{% set x = [x, x, x] %}",
    "{% set x = x ~ x %}",
    "{% macro f(a, b=2) %}",
    "{% endmacro %}",
    "{{ f(x, m) }}",
    "{% generation %}",
    "{% endgeneration %}",
    "{% raw %}",
    "{% endraw %}",
    "{% filter upper %}",
    "{% endfilter %}",
    "{% call f(1) %}",
    "{% endcall %}",
    "{%- ",
    " -%}",
    "{{ ",
    " }}",
    "{# ",
    " #}",
    "m.content",
    "m['role']",
    "messages",
    "messages[::-1]",
    "x",
    "[1, 2.5, none, true]",
    "{'a': x, 'b': {}}",
    "'t\\n\\x41\\u00e9'",
    "\"q'\"",
    " | tojson",
    " | tojson(indent=4)",
    " | trim",
    " | length",
    " | map(attribute='content') | list",
    " | join(', ')",
    " | selectattr('role', 'equalto', 'user') | list",
    " | dictsort",
    " | unique",
    " | sort(attribute='role')",
    " | replace('a', 'aaaa')",
    " | default('d', true)",
    " | batch(2)",
    " | int",
    " | string",
    ".split('a')",
    ".strip()",
    ".startswith('<')",
    ".format(1)",
    "[-1]",
    "[0:3]",
    "()",
    " + ",
    " - ",
    " * ",
    " ** ",
    " % ",
    " // ",
    " ~ ",
    " and ",
    " in ",
    " not in ",
    " is defined",
    " is mapping",
    " if x else ",
    "raise_exception('no')",
    "strftime_now('%d %b %Y')",
    "bos_token",
    "eos_token",
    "add_generation_prompt",
    "tools",
    "range(99999999)",
    "cycler('a')",
    "joiner()",
    "lipsum()",
    "__import__",
    "9999999999999999999999",
    "-1",
    "0",
    "1e400",
    "'%s' % x",
    "\n",
    " ",
};

bool proper(const pellucid::Error& error) {
  return pellucid::test::proper(error, {ErrorCode::kBadModel, ErrorCode::kUsage, ErrorCode::kLimit});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  std::vector<Message> messages;
  constexpr const char* kRoles[] = {"system", "user", "assistant", "tool"};
  for (uint32_t n = input.below(4); n > 0; --n) {
    messages.push_back({input.below(8) == 0 ? input.text(8) : kRoles[input.below(4)], input.text(24)});
  }
  const bool has_time = input.below(2) == 0;
  const bool generation = input.below(2) == 0;
  std::tm time{};
  time.tm_year = 126;
  time.tm_mday = 1;
  const auto compiled = ChatTemplate::compile(input.text_of(kPieces, 200), "<s>", "</s>");
  if (!compiled.ok()) {
    if (!proper(compiled.error())) std::abort();
    return 0;
  }
  const auto once = compiled.value().render(messages, generation, has_time ? &time : nullptr);
  const auto again = compiled.value().render(messages, generation, has_time ? &time : nullptr);
  if (once.ok() != again.ok()) std::abort();
  if (once.ok() ? once.value() != again.value() : !proper(once.error())) std::abort();
  return 0;
}
