"""Each target declares what it imports, and imports what it declares.

    python3 tools/checks/imports.py

SwiftPM's own check lets an import through where another dependency brings the module along; a module's walls are its
declared dependencies, so this one doesn't. Prints what is wrong and ends with 1.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMPORT = re.compile(r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?import\s+(?:(?:struct|class|enum|func|protocol|typealias|let|var)\s+)?(\w+)", re.M)


def dependency_names(target):
    for dependency in target["dependencies"]:
        for kind in ("byName", "target", "product"):
            if dependency.get(kind):
                yield dependency[kind][0]


def folder(target):
    default = ("Tests/" if target["type"] == "test" else "Sources/") + target["name"]
    return ROOT / (target.get("path") or default)


def main():
    dump = subprocess.run(["swift", "package", "dump-package"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = {target["name"]: target for target in json.loads(dump.stdout)["targets"]}
    modules = {name.replace("-", "_"): name for name in targets} | {"ArgumentParser": "ArgumentParser", "Yams": "Yams"}
    problems = []
    for name, target in sorted(targets.items()):
        files = sorted(folder(target).rglob("*.swift"))
        if not files:
            continue
        imported = {}
        for file in files:
            for module in IMPORT.findall(file.read_text()):
                if module in modules:
                    imported.setdefault(modules[module], file.relative_to(ROOT))
        declared = set(dependency_names(target))
        problems += [f"{name} imports {module} without declaring it ({imported[module]})" for module in sorted(imported.keys() - declared)]
        swift = {module for module in declared if module not in targets or any(folder(targets[module]).rglob("*.swift"))}
        # Every test target may use the tests' helpers.
        swift -= {"TestSupport"}
        # Programs that tests launch are built with them, not imported.
        swift -= {module for module in swift if targets.get(module, {}).get("type") == "executable"}
        problems += [f"{name} declares {module} and doesn't import it" for module in sorted(swift - imported.keys())]
    print("\n".join(problems) or f"{len(targets)} targets declare what they import")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
