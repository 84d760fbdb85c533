"""docs/analysis.py runs on a fresh results file, and finds the numbers that the report has."""
import csv
import os
import re
import runpy
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))
GOLDEN = ROOT / "Tests/VisionLanguageTests/Goldens/nested"


class Analysis(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        file = cls.folder / "hi.h5"
        subprocess.run([BINARY, "score", "--model", GOLDEN / "checkpoint", "--dataset", GOLDEN / "dataset/keyobjects.json",
                        "--images", GOLDEN / "dataset/images", "--output", file, "--precision", "f32", "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run([BINARY, "report", file, "--output", cls.folder / "report"], check=True, stdout=subprocess.DEVNULL)
        with mock.patch.object(sys, "argv", ["analysis.py", str(file), str(cls.folder / "figures")]):
            cls.found = runpy.run_path(str(ROOT / "docs/analysis.py"), run_name="__main__")
        cls.addClassCleanup(cls.found["everything"].close)

    def column(self, table, name):
        with open(self.folder / "report/data" / f"{table}.csv") as lines:
            return np.array([float(row[name] or "nan") for row in csv.DictReader(lines)])

    def close(self, found, table, name):
        np.testing.assert_allclose(found, self.column(table, name), rtol=0, atol=1e-9, err_msg=f"{table} {name}")

    def test_it_draws_its_figures(self):
        self.assertEqual({path.name for path in (self.folder / "figures").iterdir()},
                         {"heads.png", "layers.png", "agreement.png", "size.png"})

    def test_averages_and_regression_are_the_reports(self):
        self.close(self.found["by_layer"], "trend-layers", "score_mean")
        self.close(self.found["layer_error"], "trend-layers", "stderr_over_heads")
        self.close(self.found["layer_line"], "trend-layers", "fit")
        self.close(self.found["layer_band"], "trend-layers", "fit_stderr")

    def test_the_measures_agreement_is_the_reports(self):
        self.close(self.found["agreement"].ravel(), "agreement-heads", "kendall_tau_b")

    def test_the_best_heads_samples_are_the_reports(self):
        self.close(self.found["of_best"].values, "samples-table", "hi_corrected")

    def test_the_lines_of_the_guide_run(self):
        guide = (ROOT / "docs/analysis.md").read_text()
        code = "\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL))
        self.assertEqual(code.count("import"), 3)
        for name, path in (("hi.h5", "hi.h5"), ("heads.png", "guide.png")):
            code = code.replace(f'"{name}"', repr(str(self.folder / path)))
        exec(compile(code, "docs/analysis.md", "exec"), {})
        self.assertTrue((self.folder / "guide.png").exists())


if __name__ == "__main__":
    unittest.main()
