"""The HDF5 that `headimpact score` writes, as other programs read it: h5py, and xarray as a netCDF-4 file."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np
import xarray
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))
GOLDEN = ROOT / "Tests/VisionLanguageTests/Goldens/nested"
AXES = {
    "hi": ("measure", "layer", "head"), "hi_stderr": ("measure", "layer", "head"),
    "hi_chance": ("measure", "layer", "head"), "hi_nosink": ("measure", "layer", "head"),
    "sink_share": ("layer", "head"), "hi_interval": ("bound", "measure", "layer", "head"),
    "sample_hi": ("sample", "measure", "layer", "head"), "image_id": ("sample",), "category_id": ("sample",),
    "sequence_tokens": ("sample",), "visual_tokens": ("sample",), "caption_tokens": ("sample",), "mask_tokens": ("sample",),
    "view_sample": ("view",), "view_kind": ("view",), "view_rows": ("view",), "view_columns": ("view",), "view_offset": ("view",),
    "view_box": ("view", "corner"),
}
TYPES = {"layer": "int32", "head": "int32", "sample": "int64", "hi": "float64", "hi_stderr": "float64", "hi_chance": "float64",
         "hi_nosink": "float64", "sink_share": "float64", "hi_interval": "float64", "sample_hi": "float32", "image_id": "int64",
         "category_id": "int64", "sequence_tokens": "int32", "visual_tokens": "int32", "caption_tokens": "int32",
         "mask_tokens": "int32", "view": "int32", "view_sample": "int64", "view_rows": "int32", "view_columns": "int32",
         "view_offset": "int64", "view_box": "float64"}
ATTRIBUTES = ["title", "Conventions", "model_name", "model_type", "model_sha256", "dataset_sha256", "prompt", "precision", "resize",
              "program_version", "created", "ranks", "samples_skipped"]


class OutputFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.path = Path(cls.folder.name) / "hi.h5"
        subprocess.run([BINARY, "score", "--model", GOLDEN / "checkpoint", "--dataset", GOLDEN / "dataset/keyobjects.json",
                        "--images", GOLDEN / "dataset/images", "--output", cls.path, "--precision", "f32", "--resize", "pillow", "--save-scores", "--quiet"], check=True)
        cls.reference = load_file(GOLDEN / "dataset.safetensors")

    def test_types_and_attributes_are_those_of_formats_md(self):
        with h5py.File(self.path) as f:
            for name, wanted in TYPES.items():
                self.assertEqual(f[name].dtype, np.dtype(wanted), name)
            for name in ATTRIBUTES:
                self.assertIn(name, f.attrs)
            for name in AXES:
                self.assertIn("long_name", f[name].attrs, name)
                self.assertIn("units", f[name].attrs, name)
            measures = [m.decode() if isinstance(m, bytes) else m for m in f["measure"][()]]
            self.assertEqual(measures, "matched mean otsu soft mass pointing".split())
            self.assertIsNotNone(f["sample_hi"].chunks)
            self.assertIsNotNone(f["sample_hi"].compression)
            self.assertEqual(f.attrs["samples_skipped"], 0)

    def test_xarray_opens_it_with_named_axes(self):
        with xarray.open_dataset(self.path, engine="h5netcdf") as data:
            for name, axes in AXES.items():
                self.assertEqual(data[name].dims, axes, name)
            best = data.hi.sel(measure="matched").mean("head")
            self.assertEqual(best.dims, ("layer",))
            self.assertEqual(list(data["sample"].values), sorted(self.reference["sample"]))

    def test_its_tables_are_the_references(self):
        with h5py.File(self.path) as f:
            for name in ("hi", "hi_stderr", "hi_chance", "hi_nosink", "sink_share"):
                self.assertLessEqual(np.abs(f[name][()] - self.reference[name]).max(), 2e-3, name)
            for i in f["scores"]:
                self.assertLessEqual(np.abs(f["scores"][i][()] - self.reference[f"scores.{i}"]).max(), 2e-5, i)


if __name__ == "__main__":
    unittest.main()
