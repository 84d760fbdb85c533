"""No file over 500 lines, no function over 80: `make lint` calls this. Data and generated files are not counted."""

import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES, FUNCTION_LINES = 500, 80
SWIFT_FUNCTION = re.compile(r"^( *)(?:@\w+(?:\([^)]*\))? )*(?:[a-z]+(?:\([a-z]+\))? )*(?:func\b|init\b|deinit\b|subscript\b)")
C_FUNCTION = re.compile(r"^[A-Za-z_].*\)\s*\{$|^\{$")


def swift_functions(lines):
    """swift-format indents a function's last brace as its first word."""
    for start, line in enumerate(lines):
        match = SWIFT_FUNCTION.match(line)
        if not match:
            continue
        indent = match.group(1)
        for end in range(start, len(lines)):
            if lines[end].startswith(indent + "}") or (end == start and lines[end].rstrip().endswith("}")):
                yield start, end
                break
            if end > start and lines[end].strip() and not lines[end].startswith((indent + " ", indent + ")", indent + "#")):
                break  # a requirement of a protocol: it has no body


def c_functions(lines):
    start = None
    for number, line in enumerate(lines):
        if start is None and C_FUNCTION.match(line):
            start = number
        elif start is not None and line.startswith("}"):
            yield start, number
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno - 1, node.end_lineno - 1


def functions(path, text):
    lines = text.split("\n")
    if path.suffix == ".swift":
        return swift_functions(lines)
    return python_functions(text) if path.suffix == ".py" else c_functions(lines)


def main():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    problems, files = [], 0
    for name in listed:
        path = ROOT / name
        if path.suffix not in {".swift", ".py", ".c", ".cpp", ".h"} or not path.is_file():
            continue
        files += 1
        text = path.read_text()
        count = text.count("\n")
        if count > FILE_LINES:
            problems.append(f"{name}: {count} lines; a file has at most {FILE_LINES}")
        for start, end in functions(path, text):
            if end - start + 1 > FUNCTION_LINES:
                problems.append(f"{name}:{start + 1}: a function of {end - start + 1} lines; at most {FUNCTION_LINES}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"{files} files and their functions are short enough")


if __name__ == "__main__":
    main()
