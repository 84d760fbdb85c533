"""Whether two outputs of one command are the same, bit for bit, except for when and on how many ranks they were made."""

import json
import os
from pathlib import Path

import h5py
import numpy as np

# When and how a run was made, and how long it took.
ATTRIBUTES = {"created", "ranks", "threads", "seconds", "seconds_scoring", "history", "date", "micro_batch", "host", "interruptions"}
# An experiment's report and books tell times and paths.
TELLING = ("report", "steps", "experiment.json", "experiment.yaml")


def differences(actual: Path, expected: Path) -> list[str]:
    """What differs between two files or folders; empty if nothing does."""
    if not actual.exists():
        return [f"{actual.name} is missing"]
    if expected.is_dir():
        return _folders(actual, expected)
    if expected.suffix == ".h5":
        return _hdf5(actual, expected)
    if expected.name == "adapter_config.json":
        return [] if _adapter(actual) == _adapter(expected) else [f"{actual.name}: other values"]
    return [] if actual.read_bytes() == expected.read_bytes() else [f"{actual.name}: other bytes"]


def _adapter(config: Path) -> dict[str, object]:
    """An adapter's configuration; of its base model's path the name, since trials have folders of their own."""
    values: dict[str, object] = json.loads(config.read_text())
    return values | {"base_model_name_or_path": Path(str(values["base_model_name_or_path"])).name}


def _members(folder: Path) -> dict[str, Path]:
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            # TensorBoard's curves of a training are named by the time, and its card tells the command.
            if not (relative.startswith(TELLING) or name == "README.md" or path.suffix in (".run", ".html") or ".partial" in relative or ".tfevents." in relative):
                found[relative] = path
    return found


def _folders(actual: Path, expected: Path) -> list[str]:
    if not actual.is_dir():
        return [f"{actual.name} is no folder"]
    ours, theirs = _members(actual), _members(expected)
    unlike = [f"{name}: missing" for name in theirs.keys() - ours.keys()] + [f"{name}: extra" for name in ours.keys() - theirs.keys()]
    for name in sorted(ours.keys() & theirs.keys()):
        unlike += differences(ours[name], theirs[name])
    return unlike


def _hdf5(actual: Path, expected: Path) -> list[str]:
    unlike = []
    with h5py.File(actual) as ours, h5py.File(expected) as theirs:
        left, right = _datasets(ours), _datasets(theirs)
        if left.keys() != right.keys():
            unlike.append(f"{actual.name}: members {sorted(left.keys() ^ right.keys())}")
        for name in sorted(left.keys() & right.keys()):
            if "seconds" not in name and not _equal(left[name][()], right[name][()]):
                unlike.append(f"{actual.name}: {name}")
        for name in (set(ours.attrs) | set(theirs.attrs)) - ATTRIBUTES:
            if name not in ours.attrs or name not in theirs.attrs or not np.array_equal(ours.attrs[name], theirs.attrs[name]):
                unlike.append(f"{actual.name}: attribute {name}")
    return unlike


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, member: found.__setitem__(name, member) if isinstance(member, h5py.Dataset) else None)
    return found


def _equal(left: object, right: object) -> bool:
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    return list(left.flat) == list(right.flat) if left.dtype == object else left.tobytes() == right.tobytes()
