"""Measurements as they are made: one JSON file each, which a later run of the bench keeps while it still holds."""
import hashlib
import json
import os
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Of what is measured: another number makes all stored measurements invalid.
FORM = 2


def program_digest(path):
    """Of the program that is measured."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def opponents():
    """{package: version} of what the opponents run on."""
    found = {}
    for name in ("torch", "transformers", "peft"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


class Store:
    """A folder of results: of one family (or the quick form), by the measurements' names."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, name):
        return self.folder / (name.replace(" ", "-") + ".json")

    def get(self, name, key=None):
        """A stored result whose key is this one; any of that name without a key. None where there is none, or it can't be read."""
        try:
            stored = json.loads(self.path(name).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return stored if key is None or stored.get("key") == key else None

    def put(self, name, key, values, **more):
        """Written under another name first: a bench that is stopped leaves no half a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stored = {"name": name, "key": key, "values": values, "made": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()), **more}
        temporary = self.path(name).with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(stored, indent=1) + "\n")
        temporary.replace(self.path(name))
        return stored
