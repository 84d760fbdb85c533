"""The programs of this folder, for one another: each is called make.py."""
import importlib.util
from pathlib import Path


def maker(name):
    """The module tools/goldens/<name>/make.py."""
    path = Path(__file__).parent / name / "make.py"
    spec = importlib.util.spec_from_file_location(f"goldens_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
