"""What the tests of pages share: the program, a browser or a reason why there is none, and the demo that pages are made of."""
import contextlib
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import browser as look

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))


def run(*arguments):
    subprocess.run([BINARY, *arguments], check=True, stdout=subprocess.DEVNULL)


def needs_a_browser():
    if look.CHROMIUM:
        return
    message = "chromium isn't installed, so no page is looked at: make deps installs it"
    if os.environ.get("CI"):
        raise RuntimeError(message)
    raise unittest.SkipTest(message)


class PageTests(unittest.TestCase):
    """Tests of pages made of the demo, in `folder` / name; `make` makes them, once."""

    SCENES = 4

    @classmethod
    def make(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        needs_a_browser()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.demo = cls.folder / "demo"
        run("demo", "--output", cls.demo, "--scenes", str(cls.SCENES))
        cls.inputs = ["--dataset", cls.demo / "dataset/keyobjects.json", "--images", cls.demo / "dataset/images"]
        cls.make()
        cls.browser = cls.enterClassContext(look.chromium())

    @contextlib.contextmanager
    def page(self, folder, width=look.DESKTOP, **settings):
        """The page of a folder, and what the browser complains of."""
        with self.subTest(f"{folder.name}, {width} pixels, {settings}"):
            with look.opened(self.browser, folder / "index.html", width, **settings) as opened:
                yield opened
