#!/usr/bin/env python3
"""Manual pages from what the program says of itself: one for it, and one for each verb.

    headimpact --experimental-dump-help | tools/packages/manual.py FOLDER VERSION
"""
import json
import sys
from pathlib import Path

HIDDEN = ("help",)


def escaped(text):
    """Text as roff shows it: no line begins with a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.splitlines())


def paragraphs(text):
    return "\n.PP\n".join(escaped(part.strip()) for part in text.split("\n\n") if part.strip())


def named(argument):
    """An argument as it is written: --name <value>."""
    value = argument.get("valueName", "value")
    if argument["kind"] == "positional":
        return f"<{value}>"
    names = ", ".join(("-" if name["kind"] == "short" else "--") + name["name"] for name in argument["names"])
    return names if argument["kind"] == "flag" else f"{names} <{value}>"


def usage(argument):
    text = named({**argument, "names": [argument["preferredName"]]}) if argument.get("preferredName") else named(argument)
    text += " ..." if argument.get("isRepeating") else ""
    return f"[{text}]" if argument.get("isOptional") else text


def meaning(argument):
    text = argument.get("abstract") or argument.get("discussion") or ""
    notes = []
    if values := argument.get("allValues"):
        notes.append("values: " + ", ".join(values))
    if argument.get("defaultValue") is not None:
        notes.append(f"default: {argument['defaultValue']}")
    return " ".join(part for part in (text, f"({'; '.join(notes)})" if notes else "") if part)


def shown(items):
    return [item for item in items or [] if item.get("shouldDisplay", True)]


def verbs(command):
    return [verb for verb in shown(command.get("subcommands")) if verb["commandName"] not in HIDDEN]


def page(command, parents, version):
    """The page of one command, and the name of its file."""
    words = [*parents, command["commandName"]]
    name, arguments = "-".join(words), shown(command.get("arguments"))
    lines = [f'.TH {name.upper()} 1 "" "headimpact {version}" "User Commands"', ".SH NAME",
             f"{escaped(name)} \\- {escaped(command.get('abstract', '').rstrip('.'))}", ".SH SYNOPSIS",
             f"\\fB{escaped(' '.join(words))}\\fR {escaped(' '.join(map(usage, arguments)))}"
             + (" <verb> ..." if verbs(command) else "")]
    if text := command.get("discussion"):
        lines += [".SH DESCRIPTION", paragraphs(text)]
    if arguments:
        lines.append(".SH OPTIONS")
        for argument in arguments:
            lines += [".TP", f"\\fB{escaped(named(argument))}\\fR", escaped(meaning(argument)) or "\\&"]
    if verbs(command):
        lines.append(".SH VERBS")
        for verb in verbs(command):
            lines += [".TP", f"\\fB{escaped('-'.join([*words, verb['commandName']]))}\\fR(1)", escaped(verb.get("abstract", ""))]
    lines += [".SH EXIT STATUS", "0 if the work was done, 1 if it failed, 2 if more samples were skipped than allowed, 64 if the command line is wrong."]
    if parents:
        lines += [".SH SEE ALSO", f"\\fB{escaped('-'.join(parents))}\\fR(1)"]
    return f"{name}.1", "\n".join(lines) + "\n"


def pages(command, parents, version):
    yield page(command, parents, version)
    for verb in verbs(command):
        yield from pages(verb, [*parents, command["commandName"]], version)


def main():
    folder, version = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(json.load(sys.stdin)["command"], [], version):
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
