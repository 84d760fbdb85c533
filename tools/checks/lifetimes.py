"""What Kernels lends for a call can't outlive it: programs that try don't compile.

    python3 tools/checks/lifetimes.py

Prints each program that compiles, or fails for another reason than it should, and ends with 1.
"""

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What each program tries, its text, and what the compiler has to say of it; nothing where it is right.
PROGRAMS = [
    (
        "use an operand while it is lent",
        "try backend.withOperand(x) { try backend.apply(layer, to: $0, into: y, accumulate: false) }",
        None,
    ),
    ("return an operand", "let kept: Operand = backend.withOperand(x) { $0 }; _ = kept.rows", "Escapable"),
    ("keep an operand", "var kept: Operand; backend.withOperand(x) { kept = $0 }", "cannot be consumed"),
    (
        "copy an operand",
        "backend.withOperand(x) { let copied = $0; _ = copied.rows }",
        "cannot be consumed",
    ),
    (
        "read numbers while they are lent",
        "_ = backend.withFloats(of: x) { $0[0] }",
        None,
    ),
    ("return lent numbers", "let kept: MutableSpan<Float> = backend.withFloats(of: x) { $0 }; _ = kept[0]", "Escapable"),
    ("take a tensor's pointer", "let pointer = x.base; _ = pointer", "inaccessible due to 'internal'"),
    ("take a kernel's scratch", "let scratch = AlignedBuffer<Float>(count: 4); _ = scratch", "cannot find"),
]


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        header = ROOT / "Sources/CVectorMath/include/CVectorMath.h"
        product = ROOT / "Sources/CMatrixProduct/include/matrix_product.h"
        (folder / "module.modulemap").write_text(
            f'module CVectorMath {{ header "{header}" export * }}\nmodule CMatrixProduct {{ header "{product}" export * }}\n')
        flags = ["-swift-version", "6", "-I", folder, "-I", ROOT / "Sources/COpenBLAS"]
        subprocess.run(
            ["swiftc", "-emit-module", "-parse-as-library", "-module-name", "Kernels", "-enable-experimental-feature",
             "Lifetimes", "-o", folder / "Kernels.swiftmodule", *flags, *sorted((ROOT / "Sources/Kernels").rglob("*.swift"))],
            check=True)
        problems = []
        for name, text, expected in PROGRAMS:
            program = folder / "program.swift"
            program.write_text(
                "import Kernels\n"
                "func program(_ backend: CPUBackend, _ layer: Linear, _ x: Tensor, _ y: Tensor) throws {\n"
                f"  {text}\n"
                "}\n")
            run = subprocess.run(
                ["swiftc", "-emit-sil", "-parse-as-library", "-o", "/dev/null", *flags, program], capture_output=True,
                text=True)
            if expected is None and run.returncode != 0:
                problems.append(f"{name}: doesn't compile\n{run.stderr}")
            elif expected is not None and run.returncode == 0:
                problems.append(f"{name}: compiles")
            elif expected is not None and expected not in run.stderr:
                problems.append(f"{name}: fails without “{expected}”\n{run.stderr}")
        print("\n".join(problems) or f"{len(PROGRAMS)} programs compile or fail as they should")
        return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
