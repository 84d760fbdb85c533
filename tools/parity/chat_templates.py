#!/usr/bin/env python3
"""Random chat templates, rendered by jinja2 as transformers configures it and by HeadImpact's own reader.

    chat_templates.py --program .build/release/chat-template-cases [--count 10000] [--seeds 1 2 3]

Each template is made from a seed over the grammar that the reader supports. Both must give the same text or both must
refuse. Four things are set apart, in which HeadImpact refuses: jinja2 prints an address ("… object at 0x…"), an integer
leaves 64 bits, a negative number's square root is complex, a function or filter that doesn't exist stands where nothing comes (`x is defined if (y)` calls `if`).
"""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import warnings

from random_templates import Maker

warnings.filterwarnings("ignore")

DATE = (2026, 3, 7, 5, 8, 9)
def transformers_template(source):
    from transformers.utils import chat_template_utils

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(*DATE)

    chat_template_utils.datetime = Clock
    return chat_template_utils._compile_jinja_template(source)


def tagged(value):
    """The value as Tests/TestSupport/TemplateCase.swift reads it."""
    if value is None:
        return ["n"]
    if isinstance(value, bool):
        return ["b", value]
    if isinstance(value, int):
        return ["i", value]
    if isinstance(value, float):
        return ["f", repr(value)]
    if isinstance(value, str):
        return ["s", value]
    if isinstance(value, (list, tuple)):
        return ["l", [tagged(item) for item in value]]
    return ["d", [[key, tagged(item)] for key, item in value.items()]]


def jinja(template, variables):
    """jinja2's text, or None and why it refuses."""
    try:
        return transformers_template(template).render(**variables), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def cases(seed, count):
    for number in range(count):
        maker = Maker(f"{seed}/{number}")
        variables = maker.variables()
        yield f"{seed}/{number}", maker.template(), variables


# ---------------------------------------------------------------------------------------------- published templates
ODD = ["", " ", "Describe the picture.", "  two  spaces and a tab\t", "line\none\n\n", "e\u0301 is not \u00e9; 漢字 👍🏽\u200d", "<|im_end|> {{ x }} {% if %}",
       "it's \"quoted\" & <b>\\n", "\x00\x1f\x7f\u2028"]


def conversations():
    """What people put into a chat template: names and variables."""
    def user(*parts):
        return {"role": "user", "content": [{"type": "image"} if part is None else {"type": "text", "text": part} for part in parts]}

    def assistant(text, **more):
        return {"role": "assistant", "content": [{"type": "text", "text": text}], **more}

    system = {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
    chats = {"image": [user(None, "Describe the picture.")], "text first": [user("Look:", None)], "images": [user(None, None, "Which?")],
             "answer": [user(None, "Describe the picture."), assistant("A cat on a mat.")], "system": [system, user(None, "Describe it.")],
             "turns": [system, user(None, "What?"), assistant("A dog."), user("Sure?"), assistant("Yes."), user("Why?")],
             "no text": [user(None)], "nothing": [user()], "none": [], "assistant first": [assistant("Hello")],
             "two users": [user("a"), user("b")], "video": [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "?"}]}],
             "unknown role": [{"role": "critic", "content": "?"}], "url": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}
    for number, text in enumerate(ODD):
        chats[f"odd {number}"] = [user(None, text), assistant(text)]
        chats[f"odd text {number}"] = [{"role": "system", "content": text}, {"role": "user", "content": text},
                                       {"role": "assistant", "content": text}]
    plain = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
             {"role": "user", "content": "Bye"}]
    chats |= {"strings": plain, "strings without system": plain[1:], "one string": plain[1:2]}
    call = {"type": "function", "function": {"name": "find", "arguments": {"q": "cats", "n": 3, "deep": {"a": [1.5, None, True]}}}}
    chats["calls"] = plain[:2] + [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "[1, 2]", "name": "find"},
                                  {"role": "assistant", "content": "Done."}]
    chats["two calls"] = plain[1:2] + [{"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "abcdefghi"}]},
                                       {"role": "tool", "content": "one", "tool_call_id": "abcdefghi"}, {"role": "tool", "content": "two"}]
    chats["reasoning"] = plain[1:2] + [{"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes", "reasoning_content": "hm"},
                                       {"role": "user", "content": "And?"}]
    tool = {"type": "function", "function": {"name": "find", "description": "Finds <things> & \"more\", ü", "parameters": {
        "type": "object", "required": ["q"], "properties": {"q": {"type": "string", "description": "what"}, "n": {
            "type": ["integer", "null"], "default": 5, "enum": [1, 5]}, "deep": {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "number"}}}}}}}}
    settings = [{}, {"add_generation_prompt": True}, {"tools": [tool, tool], "add_generation_prompt": True}, {"enable_thinking": False, "add_generation_prompt": True},
                {"add_vision_id": True, "keep_past_thinking": True, "documents": [{"title": "t", "text": "d"}]}]
    for name, messages in chats.items():
        for number, setting in enumerate(settings):
            yield f"{name} {number}", {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": False,
                                       "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", **setting}


def published(folder):
    for path in sorted(pathlib.Path(folder).glob("*.jinja")):
        template = path.read_text()
        for name, variables in conversations():
            yield f"{path.name}: {name}", template, variables


def encoded(name, template, variables, text):
    return {"name": name, "template": template, "variables": tagged(variables), "date": list(DATE), "text": text}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seeds", nargs="+", default=["1"])
    parser.add_argument("--templates", help="a folder of published *.jinja, rendered for many conversations instead")
    parser.add_argument("--show", type=int, default=10, help="differences to print")
    options = parser.parse_args()
    if options.templates:
        failures = compare(options.templates, published(options.templates), options)
    else:
        failures = sum(compare(f"seed {seed}", cases(seed, options.count), options) for seed in options.seeds)
    sys.exit(1 if failures else 0)


def compare(title, templates, options):
    made, lines = [], []
    for name, template, variables in templates:
        text, reason = jinja(template, variables)
        made.append((name, template, variables, text, reason))
        lines.append(json.dumps(encoded(name, template, variables, text), ensure_ascii=True))
    # Two programs at a time would only share the processors.
    result = subprocess.run([options.program], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if result.returncode:
        print(f"{options.program} ended with {result.returncode}: {result.stderr[-2000:]}")
        return 1
    outcomes = [json.loads(line) for line in result.stdout.split("\n")[:-1]]
    counts = {"same text": 0, "both refuse": 0, "address": 0, "beyond 64 bits": 0, "complex number": 0, "refused when read": 0, "DIFFERENT": 0}
    shown = 0
    for (name, template, variables, text, reason), outcome in zip(made, outcomes, strict=True):
        mine, error = outcome.get("text"), outcome.get("error")
        if text is not None and mine == text:
            counts["same text"] += 1
        elif text is None and mine is None:
            counts["both refuse"] += 1
        elif mine is None and "its address" in error:
            counts["address"] += 1
        elif mine is None and ("64 bits" in error or "2^53" in error or "too large" in error):
            counts["beyond 64 bits"] += 1
        elif mine is None and "fractional power" in error:
            counts["complex number"] += 1
        elif mine is None and (": the function '" in error or ": the filter 'nofilter'" in error or ": the test 'nosuch'" in error):
            counts["refused when read"] += 1
        else:
            counts["DIFFERENT"] += 1
            if shown < options.show:
                shown += 1
                print(f"--- {name}\n{template!r}\nvariables: {variables!r}\njinja2: {text!r} {reason or ''}\nours:   {mine!r} {error or ''}\n")
    print(f"{title}: {len(made)} renderings: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return counts["DIFFERENT"]


if __name__ == "__main__":
    main()
