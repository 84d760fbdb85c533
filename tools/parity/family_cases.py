"""The parity cases of the model families: each file of tools/parity/families has `CASES`, as run.py's, and `TRAINING`, as
training.py's CASES. Their keys begin with the family's name."""
import importlib.util
from pathlib import Path


def all():
    modules = []
    for path in sorted((Path(__file__).parent / "families").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"parity_{path.stem}", path)
        modules.append(importlib.util.module_from_spec(spec))
        spec.loader.exec_module(modules[-1])
    return modules
