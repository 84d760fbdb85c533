"""Each target declares what it imports, and imports what it declares; and some link no MPI.

    python3 tools/checks/imports.py

SwiftPM's own check lets an import through where another dependency brings the module along; a module's walls are its
declared dependencies, so this one doesn't. Prints what is wrong and ends with 1.
"""

import json
import pathlib
import re
import subprocess
import sys

# Reports, previews and maps of attention are made where there is no MPI.
WITHOUT_MPI = ["AttentionMaps", "Comparison", "Decoding", "Evaluation", "Figures", "HeadImpact", "IO", "KeyObjects", "Launching", "Reporting", "RunSupport"]
MPI = ["CMPI", "MessagePassing"]
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


def way(targets, name, goals):
    """A way from a target to a goal along dependencies; None where there is none."""
    if name in goals:
        return [name]
    further = (way(targets, dependency, goals) for dependency in dependency_names(targets.get(name, {"dependencies": []})))
    return next(([name, *rest] for rest in further if rest), None)


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
        # Every test target has its module, which it may only launch, and the tests' helpers.
        if target["type"] == "test":
            swift -= {"TestSupport", name.removesuffix("Tests")}
        # Programs that tests launch are built with them, not imported.
        swift -= {module for module in swift if targets.get(module, {}).get("type") == "executable"}
        problems += [f"{name} declares {module} and doesn't import it" for module in sorted(swift - imported.keys())]
    for name in WITHOUT_MPI:
        if name not in targets:
            problems.append(f"{name}, which must not depend on MPI, isn't a target: mend WITHOUT_MPI")
        elif found := way(targets, name, MPI):
            problems.append(f"{name} must not depend on MPI: {' -> '.join(found)}")
    print("\n".join(problems) or f"{len(targets)} targets declare what they import")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
