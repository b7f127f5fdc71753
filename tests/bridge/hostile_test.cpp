// Templates come from model files, so here are hostile ones: bombs must end soon, in little memory, with an
// error; walks over attributes must find nothing.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "bridge/chat_template.h"
#include "resources.h"

namespace pellucid::bridge {
namespace {

using test::cpu_seconds;
using test::repeat;
using test::status_kilobytes;

// Bounds of one bomb. The slowest takes 0.13 s on a Zen 4 and 0.26 s on an older, busy machine; one that is
// not bounded takes many seconds. Sanitizers slow the C++ side only.
constexpr double kMostSeconds = 0.5;
constexpr long kMostKilobytes = 128 * 1024;

struct Outcome {
  bool failed;
  std::string text;  // the prompt or the error
  double seconds;
  long kilobytes;
};

Outcome run(const std::string& source) {
  std::ofstream("/proc/self/clear_refs") << "5";  // the high-water mark starts again here
  const long before = status_kilobytes("VmRSS:");
  const double start = cpu_seconds();
  Outcome outcome{};
  const auto compiled = ChatTemplate::compile(source, "<s>", "</s>");
  if (!compiled.ok()) {
    outcome = {true, compiled.error().message(), 0, 0};
  } else {
    const std::vector<Message> messages{
        {"user", "Hello"}, {"assistant", "Hi"}, {"user", repeat("long ", 200000)}};
    const auto prompt = compiled.value().render(messages, true);
    outcome =
        prompt.ok() ? Outcome{false, prompt.value(), 0, 0} : Outcome{true, prompt.error().message(), 0, 0};
  }
  outcome.seconds = cpu_seconds() - start;
  outcome.kilobytes = status_kilobytes("VmHWM:") - before;
  return outcome;
}

/// `{% set a0 = SEED %}{% set a1 = STEP(a0) %}...`: STEP is written with `@` for the value before.
std::string tower(const std::string& seed, const std::string& step, int floors,
                  const std::string& name = "a") {
  std::string out = "{% set " + name + "0 = " + seed + " %}";
  for (int i = 1; i <= floors; ++i) {
    std::string next = step;
    for (size_t at = 0; (at = next.find('@', at)) != std::string::npos;) {
      next.replace(at, 1, name + std::to_string(i - 1));
    }
    out += "{% set " + name + std::to_string(i) + " = " + next + " %}";
  }
  return out;
}

std::vector<std::string> bombs() {
  const std::string forever = "{% for i in range(99999) %}{% for j in range(99999) %}";
  const std::string ends = "{% endfor %}{% endfor %}";
  const std::string grow =
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% for j in range(100) %}";
  const std::string dag = tower("[1]", "[@, @]", 50);
  const std::string dag2 = dag + tower("[1]", "[@, @]", 50, "b");
  const std::string big = "([1] * 100000000)";
  std::vector<std::string> list{
      // Repetition
      "{{ '-' * 10**10 }}",
      "{{ '-' * 100000000 }}",
      "{{ 10**10 * 'ab' }}",
      "{{ (1, 2) * 10**9 }}",
      "{{ [1] * 10**9 }}",
      "{{ [[1] * 10**8] * 10**8 }}",
      "{{ " + big + " ~ '' }}",
      "{{ " + big + " == " + big + "[1:] }}",
      "{{ " + big + " | string | length }}",
      "{{ " + big + " | join }}",
      "{{ " + big + " | tojson }}",
      "{{ " + big + " | sort }}",
      "{{ 'x' in " + big + " }}",
      "{{ " + big + "[::-1] | length }}",
      "{{ (" + big + " + [2]) | length }}",
      // Ranges and loops
      "{{ range(10**9) | list }}",
      "{{ range(10**18) | join(',') }}",
      "{% for i in range(10**9) %}x{% endfor %}",
      forever + ends,
      forever + "x" + ends,
      forever + "{% set y %}{{ messages }}{% endset %}" + ends,
      "{{ dict(**messages) }}{{ f(*range(10**9)) }}",
      // Recursion
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(x) %}{{ f(x ~ x) }}{{ f(x) }}{% endmacro %}{{ f('ab') }}",
      "{% macro f(n) %}{% for i in range(9) %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f(1) }}",
      "{% for x in [[1]] recursive %}{{ loop([x, x]) }}{% endfor %}",
      "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}",
      // Deep source
      "{{ " + repeat("(", 100000) + repeat(")", 100000) + " }}",
      "{{ " + repeat("[", 100000) + repeat("]", 100000) + " }}",
      "{{ " + repeat("{'a':", 40000) + "1" + repeat("}", 40000) + " }}",
      "{{ " + repeat("not ", 60000) + "messages }}",
      "{{ " + repeat("-", 100000) + "messages }}",
      "{{ messages" + repeat(".a", 100000) + " }}",
      "{{ messages" + repeat("[0]", 80000) + " }}",
      "{{ 1" + repeat(" + 1", 60000) + " }}",
      "{{ messages" + repeat(" ~ 'x'", 40000) + " }}",
      "{{ messages" + repeat("|list", 50000) + " }}",
      "{{ messages" + repeat(" or x", 50000) + " }}",
      "{{ x" + repeat(" if x else x", 20000) + " }}",
      repeat("{% if x %}", 20000),
      repeat("{% for x in x %}", 10000),
      "{% if x %}" + repeat("{% elif x %}", 20000),
      repeat("{% macro f() %}", 10000),
      "{{ f(" + repeat("1,", 70000) + ") }}",
      repeat("{{ 1 }}\n", 40000) + "{{ x.y.z }}",
      repeat("{{ 1 }}", 37000) + "{{ x.y.z }}",
      repeat("a", 300000),
      repeat("{#", 100000),
      repeat("{{ '", 60000),
      // Growth
      tower("'ab'", "@ ~ @", 60) + "{{ a60 }}",
      tower("'ab'", "@ + @", 60) + "{{ a60 }}",
      tower("[1]", "@ + @", 60) + "{{ a60 | length }}",
      tower("'ab'", "@.replace('a', 'aaaaaaaa')", 30) + "{{ a30 }}",
      tower("'ab'", "@ | replace('', 'xxxxxxxx')", 30) + "{{ a30 }}",
      tower("'ab'", "@ | indent(1000000, true)", 9) + "{{ a9 }}",
      "{{ 'a\\nb' | indent(10**9) }}",
      "{{ [1, [2]] | tojson(indent=10**9) }}",
      "{{ [1] | tojson(indent='x' * 10000) }}",
      "{{ '%1000000000d' | format(1) }}",
      "{{ '{:1000000000}'.format(1) }}",
      "{{ '{:{}}'.format(1, 1000000000) }}",
      "{{ messages[2].content | center(10**9) }}",
      "{{ ('x' * 100000).join(range(100000) | map('string') | list) }}",
      "{{ range(100000) | map('string') | join('x' * 100000) }}",

      "{{ 9 ** 99999 }}",
      // Values inside values
      dag + "{{ a50 }}",
      dag + "{{ a50 ~ '' }}",
      dag + "{{ a50 | string }}",
      dag + "{{ a50 | tojson }}",
      dag + "{{ a50 | join }}",
      dag + "{{ a50 | upper }}",
      dag + "{{ [a50] | map('upper') | list }}",
      dag + "{{ ', '.join([a50]) }}",
      dag + "{{ 'x' in a50 }}",
      dag + "{{ a50 in 'x' }}",
      dag + "{{ {a50: 1} }}",
      dag + "{{ messages[a50] }}",
      dag + "{{ raise_exception(a50) }}",
      dag + "{% set x %}{{ a50 }}{% endset %}",
      dag2 + "{{ a50 == b50 }}",
      dag2 + "{{ a50 < b50 }}",
      dag2 + "{{ a50 is eq(b50) }}",
      dag2 + "{{ a50 in [b50] }}",
      dag2 + "{{ [a50, b50] | unique | list }}",
      dag2 + "{{ [a50, b50] | sort }}",
      dag2 + "{{ 1 < a50 <= b50 }}",
      dag2 + "{{ [a50, b50] | min }}",
      dag2 + "{{ [{'k': a50}, {'k': b50}] | groupby('k') }}",
      dag2 + "{{ {'k': a50} == {'k': b50} }}",
      dag2 + "{{ [a50] | select('eq', b50) | list }}",
      dag2 + "{% for x in [a50, b50] %}{{ loop.changed(x) }}{% endfor %}",
      dag2 + "{{ [a50].count(b50) }}",
      dag2 + "{{ [{'k': a50}] | selectattr('k', 'eq', b50) | list }}",
      dag + "{{ '{}'.format(a50) }}",
      tower("{}", "{'a': @, 'b': @}", 50) + "{{ a50 }}",
      tower("dict()", "dict(a=@, b=@)", 50) + "{{ a50 ~ 1 }}",
      // Depth by assignment
      grow + "{% set ns.x = [ns.x] %}" + ends,
      grow + "{% set ns.x = {'k': ns.x} %}" + ends + "{{ ns.x }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x "
      "}}",
      "{% set ns = namespace(x=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x "
      "== [ns.x] }}",
      "{% set ns = namespace(x=range(9)) %}{% for i in range(99999) %}{% set ns.x = ns.x[1:] %}{% set ns.x = "
      "ns.x + range(99) %}"
      "{% endfor %}{{ ns.x | list }}",
      grow + "{% set ns.x = ns.x + [i] %}" + ends,
      grow + "{% set ns.x = ns.x | reverse %}{% set ns.x = ns.x + [1] %}" + ends,
      grow + "{% set ns.x = ns.x | batch(2) | list + [1] %}" + ends,
      // Much work over a long message
      forever + "{{ messages[2].content == messages[2].content ~ '' }}" + ends,
      forever + "{{ messages[2].content.count('x') }}" + ends,
      forever + "{{ messages[2].content is lower }}" + ends,
      forever + "{{ messages[2].content[i] }}" + ends,
      forever + "{{ messages[2].content | upper | length }}" + ends,
      forever + "{{ messages[2].content.split('l')[0] }}" + ends,
      forever + "{{ 'zz' in messages[2].content }}" + ends,
      forever + "{{ messages[2].content | length }}" + ends,
  };
  return list;
}

TEST(Hostile, BombsEndSoonWithAnError) {
  const auto list = bombs();
  ASSERT_GE(list.size(), 30U);
  for (const std::string& bomb : list) {
    const Outcome outcome = run(bomb);
    SCOPED_TRACE(bomb.substr(0, 80) + " ... " + bomb.substr(bomb.size() - std::min<size_t>(bomb.size(), 80)));
    EXPECT_TRUE(outcome.failed) << outcome.text.substr(0, 100);
    EXPECT_LT(outcome.seconds, kMostSeconds) << outcome.text.substr(0, 100);
    EXPECT_LT(outcome.kilobytes, kMostKilobytes) << outcome.text.substr(0, 100);
    EXPECT_EQ(outcome.text.find('\n'), std::string::npos);
    EXPECT_LT(outcome.text.size(), 1000U);
  }
}

TEST(Hostile, AttributeWalksFindNothing) {
  const std::vector<std::string> walks{"''.__class__",
                                       "''.__class__.__mro__[1].__subclasses__()",
                                       "[].__class__.__base__",
                                       "{}.__class__",
                                       "messages.__class__",
                                       "messages[0].__class__",
                                       "messages[0]['__class__']",
                                       "messages[0].keys.__globals__",
                                       "raise_exception.__globals__",
                                       "raise_exception.__globals__['os']",
                                       "strftime_now.__globals__",
                                       "range.__class__",
                                       "namespace.__init__.__globals__",
                                       "cycler.__init__.__globals__",
                                       "lipsum.__globals__",
                                       "lipsum.__globals__.os.popen('id').read()",
                                       "joiner.__init__.__globals__.os",
                                       "self.__init__.__globals__",
                                       "self._TemplateReference__context",
                                       "self.__dict__",
                                       "loop.__class__",
                                       "caller.__globals__",
                                       "config",
                                       "request",
                                       "config.items()",
                                       "messages | attr('__class__')",
                                       "'' | attr('__class__') | attr('__mro__')",
                                       "''.format.__globals__",
                                       "'{0.__class__}'.format('')",
                                       "'{0.__class__.__init__.__globals__}'.format(messages)",
                                       "messages | map(attribute='__class__') | list | first",
                                       "namespace(a=1).__class__",
                                       "dict.__class__",
                                       "dict(a=1).__init__",
                                       "__builtins__",
                                       "__import__('os')",
                                       "open('/etc/passwd').read()",
                                       "eval('1')",
                                       "exec('1')",
                                       "import_module('os')",
                                       "debug()",
                                       "get_flashed_messages.__globals__",
                                       "url_for.__globals__",
                                       "messages[0].content.__class__.__init__",
                                       "(1).__class__",
                                       "true.__class__",
                                       "none.__class__",
                                       "undefined_name.__class__",
                                       "messages.append(1)",
                                       "messages.pop()",
                                       "messages[0].update({'a': 1})",
                                       "messages.clear()",
                                       "'a'.encode()",
                                       "''.__class__()",
                                       "messages.sort()",
                                       "namespace.__globals__",
                                       "range.__init__.__globals__"};
  for (const std::string& walk : walks) {
    SCOPED_TRACE(walk);
    const Outcome outcome = run("{{ " + walk + " }}");
    const bool nothing = outcome.failed || outcome.text.empty() || outcome.text == "None";
    EXPECT_TRUE(nothing) << outcome.text;
  }
}

TEST(Hostile, OtherTemplatesAndFilesCannotBeReached) {
  for (const char* source : {"{% include '/etc/passwd' %}", "{% import 'os' as os %}", "{% extends 'x' %}",
                             "{% from 'x' import y %}", "{% block a %}x{% endblock %}",
                             "{% do messages.append(1) %}", "{% autoescape true %}{% endautoescape %}"}) {
    EXPECT_TRUE(run(source).failed) << source;
  }
}

TEST(Hostile, DamagedTemplatesAreErrorsOrText) {
  std::string source =
      "{%- for m in messages if m.role == 'user' -%}\n{{ m['content'] | trim ~ [1, 2][0] }}{% set x = {'a': "
      "(1, 2)} %}"
      "{% endfor %}{% macro f(a, b=1) %}{{ a if b else '\\u00e9' }}{% endmacro %}{{ f(1, b=-2.5e3) }}";
  for (size_t at = 0; at < source.size(); ++at) {
    run(source.substr(0, at));
    for (const char byte : {'{', '}', '%', '"', '(', '\0', '\xff', '\n', '|', '.', '9'}) {
      std::string damaged = source;
      damaged[at] = byte;
      const auto compiled = ChatTemplate::compile(damaged, "", "");
      if (!compiled.ok()) {
        EXPECT_EQ(compiled.error().why.find('\n'), std::string::npos);
        EXPECT_FALSE(compiled.error().why.empty());
      }
    }
  }
}

TEST(Hostile, LongConversationsStillRender) {
  const auto compiled = ChatTemplate::compile(
      "{% for m in messages %}{% if m.role == 'user' and not loop.last or messages | length > 1 %}{{ '<|' + "
      "m['role'] + '|>' + "
      "m['content'] | trim + '\n' }}{% endif %}{% endfor %}",
      "", "");
  ASSERT_TRUE(compiled.ok()) << compiled.error().message();
  std::vector<Message> messages;
  for (int i = 0; i < 2000; ++i)
    messages.push_back({i % 2 == 0 ? "user" : "assistant", repeat("word ", 400)});
  const auto prompt = compiled.value().render(messages, true);
  ASSERT_TRUE(prompt.ok()) << prompt.error().message();
  EXPECT_GT(prompt.value().size(), 3900000U);
}

TEST(Hostile, ThreadsMayShareATemplateAfterABomb) {
  run("{{ '-' * 10**10 }}");
  const auto compiled = ChatTemplate::compile("{% for m in messages %}[{{ m.content }}]{% endfor %}", "", "");
  ASSERT_TRUE(compiled.ok());
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string content = std::to_string(t) + ":" + std::to_string(i);
        const auto prompt = compiled.value().render(std::vector<Message>{{"user", content}}, true);
        wrong[t] += prompt.ok() && prompt.value() == "[" + content + "]" ? 0 : 1;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace pellucid::bridge
