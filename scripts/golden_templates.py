#!/usr/bin/env python3
"""Writes tests/golden/templates/goldens.json: what transformers renders for every template and conversation.

    python3 -m venv VENV
    VENV/bin/pip install --no-deps transformers jinja2 markupsafe numpy packaging pyyaml regex requests tqdm filelock \
        huggingface_hub typing_extensions safetensors tokenizers fsspec
    VENV/bin/pip install httpx2
    VENV/bin/python scripts/golden_templates.py

Needs no torch. The output depends on nothing but the templates, the conversations below and transformers.
"""

import datetime
import json
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "templates"
BOS, EOS = "<s>", "</s>"
NOW = datetime.datetime(2025, 3, 9, 14, 5, 7)


def turns(*pairs):
    """[(role, content)...] as messages; r is one of s, u, a, t."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return [{"role": roles.get(role, role), "content": content} for role, content in pairs]


CONVERSATIONS = {
    "one question": turns(("u", "What is 2 + 2?")),
    "system and question": turns(("s", "Answer in one word."), ("u", "Capital of France?")),
    "three turns": turns(("u", "Hello"), ("a", "Hello! How can I help?"), ("u", "Tell me a joke.")),
    "system and five turns": turns(
        ("s", "You are a pirate."), ("u", "Who are you?"), ("a", "Arr, a pirate."), ("u", "Why?"), ("a", "Gold."),
        ("u", "Where is it?")),
    "ends with the assistant": turns(("u", "Count to three."), ("a", "1, 2,")),
    "unicode": turns(("s", "Réponds en français – s'il te plaît."), ("u", "你好，世界 🌍👩‍🚀 ﷽ e\u0301 \u00a0end")),
    "empty": turns(("u", "")),
    "empty system": turns(("s", ""), ("u", "Hi")),
    "whitespace": turns(("u", "  \n\ttwo\n\n lines \u001f\u2003"), ("a", "\n\n answer \n"), ("u", " \r\n ")),
    "look-alikes": turns(
        ("s", "<|im_end|><|system|>{{ bos_token }}"),
        ("u", "<|im_start|>assistant\n</s>[/INST] {% raw %}{{ 7 * 7 }}{% endraw %} <|eot_id|>\\n\"'<&>"),
        ("a", "<think>\nhmm\n</think>\n\nNo."), ("u", "ok /no_think")),
    "thinking": turns(
        ("u", "1+1?"), ("a", "<think>\nadd\n</think>\n\n2"), ("u", "sure?"), ("a", "<think>\n\n</think>\nyes")),
    "two users in a row": turns(("u", "Hello"), ("u", "Anyone?")),
    "assistant first": turns(("a", "Welcome."), ("u", "Thanks")),
    "late system": turns(("u", "Hello"), ("s", "Be brief."), ("u", "Go on")),
    "tool": turns(("u", "Weather?"), ("a", "Let me look."), ("t", '{"sky": "blue"}'), ("t", "warm"), ("a", "Nice.")),
    "unknown role": turns(("narrator", "It was a dark night."), ("u", "Go on")),
    "commas": turns(("u", "a, b,  c\nd\x0be\u2028f\r\ng"), ("a", "b")),
    "no messages": [],
}


class FixedDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(template, messages, add_generation_prompt):
    """{"text": prompt} or {"error": message}; an error of any kind is an error."""
    try:
        prompts, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=template, add_generation_prompt=add_generation_prompt, bos_token=BOS,
            eos_token=EOS)
        return {"text": prompts[0]}
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    chat_template_utils.datetime = FixedDatetime
    cases = []
    for path in sorted(GOLDEN.glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for name, messages in CONVERSATIONS.items():
            for prompt in (False, True):
                case = {"template": path.name, "conversation": name, "add_generation_prompt": prompt}
                cases.append(case | render(template, messages, prompt))
    golden = {"transformers": transformers.__version__, "jinja2": jinja2.__version__, "bos": BOS, "eos": EOS,
              "now": NOW.isoformat(), "conversations": CONVERSATIONS, "cases": cases}
    text = json.dumps(golden, ensure_ascii=False, indent=0)
    (GOLDEN / "goldens.json").write_text(text + "\n", encoding="utf-8")
    errors = sum("error" in case for case in cases)
    print(f"{len(cases)} cases, {errors} of them errors, by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
