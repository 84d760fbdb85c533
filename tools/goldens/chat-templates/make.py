#!/usr/bin/env python3
"""What transformers renders for the chat templates of the families, and jinja2 for some random templates.

Writes Tests/ChatTemplateTests/Goldens/published.json and generated.json.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tools/parity"))
import chat_templates as parity  # noqa: E402

GOLDENS = ROOT / "Tests/ChatTemplateTests/Goldens"


def rendered(template, variables):
    """As `apply_chat_template` does it; None where it refuses."""
    from transformers.utils.chat_template_utils import render_jinja_template

    parity.transformers_template(template)  # sets the date
    variables = dict(variables)
    try:
        return render_jinja_template(conversations=[variables.pop("messages")], tools=variables.pop("tools"),
                                     documents=variables.pop("documents"), chat_template=template, **variables)[0][0]
    except Exception:
        return None


def published():
    # transformers copies reasoning under other names first; that is not the template's work.
    chats = {name: variables for name, variables in parity.conversations() if "reasoning" not in name}
    files = {}
    for path in sorted((HERE / "templates").glob("*.jinja")):
        template = path.read_text()
        wanted = chats if "tools" in template else {name: value for name, value in chats.items() if name[-1] in "01"}
        files[path.name] = {"source": template, "texts": {name: rendered(template, value) for name, value in wanted.items()}}
    return {"variables": {name: parity.tagged(value) for name, value in chats.items()}, "templates": files}


def generated():
    result, refused = [], 0
    for name, template, variables in parity.cases("golden", 700):
        text, _ = parity.jinja(template, variables)
        # HeadImpact refuses what leaves 64 bits, and unknown names even where nothing comes.
        if any(word in template for word in ("9223372036854775807", "nofilter", "nosuch", "1e100")):
            continue
        if len(template) > 900 or (text is not None and (" at 0x" in text or "<class " in text)):
            continue
        if text is None:
            refused += 1
            if refused > 80:
                continue
        result.append(parity.encoded(name, template, variables, text))
    return result[:300]


def write(name, value):
    GOLDENS.mkdir(exist_ok=True)
    (GOLDENS / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    write("published.json", published())
    write("generated.json", generated())
