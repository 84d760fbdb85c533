"""The HDF5 that `headimpact score` writes, as other programs read it: h5py, and xarray as a netCDF-4 file."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np
import xarray
from PIL import Image, ImageOps
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))
GOLDEN = ROOT / "Tests/VisionLanguageTests/Goldens/nested"
CUBE = ("measure", "layer", "head")
SAMPLE, VIEW, TOKEN = ("sample",), ("view",), ("token",)
# Axes and type of each dataset, as docs/formats.md has them; S for strings of fixed length.
DATASETS = {
    "measure": (("measure",), "S"), "layer": (("layer",), "int32"), "head": (("head",), "int32"), "sample": (SAMPLE, "int64"),
    "bound": (("bound",), "float64"), "category": (("category",), "int64"), "category_name": (("category",), "S"),
    "hi": (CUBE, "float64"), "hi_stderr": (CUBE, "float64"), "hi_chance": (CUBE, "float64"), "hi_nosink": (CUBE, "float64"),
    "hi_corrected": (CUBE, "float64"), "hi_corrected_stderr": (CUBE, "float64"), "hi_corrected_samples": (CUBE, "int32"),
    "hi_interval": (("bound",) + CUBE, "float64"), "hi_corrected_interval": (("bound",) + CUBE, "float64"),
    "p_value": (CUBE, "float64"), "p_holm": (CUBE, "float64"), "p_bh": (CUBE, "float64"), "image_difference": (CUBE, "float64"),
    "layer_top_frequency": (("measure", "layer"), "float64"), "layer_top_frequency_corrected": (("measure", "layer"), "float64"),
    "sink_share": (("layer", "head"), "float64"),
    "sample_hi": (SAMPLE + CUBE, "float32"), "sample_chance": (SAMPLE + CUBE, "float32"),
    "image_id": (SAMPLE, "int64"), "category_id": (SAMPLE, "int64"), "description": (SAMPLE, "S"), "file_name": (SAMPLE, "S"),
    "image_width": (SAMPLE, "int32"), "image_height": (SAMPLE, "int32"), "sequence_tokens": (SAMPLE, "int32"),
    "visual_tokens": (SAMPLE, "int32"), "caption_tokens": (SAMPLE, "int32"), "mask_tokens": (SAMPLE, "int32"),
    "view": (VIEW, "int32"), "view_sample": (VIEW, "int64"), "view_kind": (VIEW, "S"), "view_rows": (VIEW, "int32"),
    "view_columns": (VIEW, "int32"), "view_offset": (VIEW, "int64"), "corner": (("corner",), "S"),
    "view_box": (VIEW + ("corner",), "float64"), "token": (TOKEN, "float32"), "token_mask": (TOKEN, "uint8"),
    "scores": (TOKEN + ("layer", "head"), "float32"), "skipped/skipped": (("skipped",), "float32"),
    "skipped/id": (("skipped",), "int64"), "skipped/kind": (("skipped",), "S"), "skipped/reason": (("skipped",), "S"),
}
ATTRIBUTES = ["title", "Conventions", "format_version", "source", "model_name", "model_type", "model_sha256", "chat_template_sha256",
              "dataset_name", "dataset_sha256", "prompt", "precision", "resize", "limit", "coverage", "query", "normalize", "views",
              "sink_factor", "bootstrap_resamples", "seed", "program_version", "created", "ranks", "samples_skipped"]


def datasets(file):
    found = {}
    file.visititems(lambda name, item: found.__setitem__(name, item) if isinstance(item, h5py.Dataset) else None)
    return found


class OutputFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.path = Path(cls.folder.name) / "hi.h5"
        # One sample that can't be used.
        data = json.loads((GOLDEN / "dataset/keyobjects.json").read_text())
        data["annotations"].append(data["annotations"][0] | {"id": 9001, "description": " "})
        dataset = Path(cls.folder.name) / "keyobjects.json"
        dataset.write_text(json.dumps(data))
        subprocess.run([BINARY, "score", "--model", GOLDEN / "checkpoint", "--dataset", dataset, "--images", GOLDEN / "dataset/images",
                        "--output", cls.path, "--precision", "f32", "--resize", "pillow", "--save-scores", "--allow-skips", "0.5",
                        "--quiet"], check=True, stdout=subprocess.DEVNULL)
        cls.reference = load_file(GOLDEN / "dataset.safetensors")

    def test_datasets_and_attributes_are_those_of_formats_md(self):
        with h5py.File(self.path) as f:
            found = datasets(f)
            self.assertEqual(found.keys(), DATASETS.keys())
            for name, (axes, kind) in DATASETS.items():
                item = found[name]
                self.assertTrue(item.dtype.kind == "S" if kind == "S" else item.dtype == np.dtype(kind), f"{name}: {item.dtype}")
                if item.is_scale:
                    self.assertEqual((name.split("/")[-1],), axes, name)
                else:
                    self.assertEqual(tuple(d[0].name.split("/")[-1] for d in item.dims), axes, name)
                for attribute in ("long_name", "units"):
                    self.assertTrue(item.attrs[attribute].decode(), name)
            for name in ATTRIBUTES:
                self.assertIn(name, f.attrs)
            self.assertEqual(f.attrs["format_version"], 2)
            self.assertEqual(f.attrs["samples_skipped"], 1)
            self.assertEqual([m.decode() for m in f["measure"][()]], "matched mean otsu soft mass pointing".split())
            for name in ("sample_hi", "sample_chance", "scores", "token_mask"):
                self.assertIsNotNone(f[name].chunks, name)
                self.assertIsNotNone(f[name].compression, name)

    def test_no_string_is_of_variable_length(self):
        with h5py.File(self.path) as f:
            for name, item in [("/", f), ("skipped", f["skipped"]), *datasets(f).items()]:
                types = [item.attrs.get_id(a).dtype for a in item.attrs] + ([item.dtype] if name in DATASETS else [])
                for info in map(h5py.check_string_dtype, types):
                    self.assertTrue(info is None or info.length is not None, name)
            self.assertEqual(f["skipped/reason"].asstr("utf-8")[0], f["skipped/reason"][0].decode())

    def test_xarray_opens_it_with_named_axes(self):
        with xarray.open_dataset(self.path, engine="h5netcdf") as data:
            for name, (axes, kind) in DATASETS.items():
                if "/" not in name and name != "token":
                    self.assertEqual(data[name].dims, axes, name)
                    self.assertEqual(kind == "S", isinstance(data[name].values.flat[0], str), name)
            best = data.hi.sel(measure="matched").mean("head")
            self.assertEqual(best.dims, ("layer",))
            self.assertEqual(list(data["sample"].values), sorted(self.reference["sample"]))
        with xarray.open_dataset(self.path, engine="h5netcdf", group="skipped") as skipped:
            self.assertEqual(skipped.reason.dims, ("skipped",))
            self.assertEqual(list(skipped.id.values), [9001])

    def test_its_tables_are_the_references(self):
        with h5py.File(self.path) as f:
            for name in ("hi", "hi_stderr", "hi_chance", "hi_nosink", "sink_share"):
                self.assertLessEqual(np.abs(f[name][()] - self.reference[name]).max(), 2e-3, name)

    def test_the_tokens_of_each_sample_are_the_references(self):
        with h5py.File(self.path) as f:
            ends = np.cumsum(f["visual_tokens"][()])
            self.assertEqual(len(f["token_mask"]), ends[-1])
            for i, start, end in zip(f["sample"][()], ends - f["visual_tokens"][()], ends):
                scores = np.moveaxis(f["scores"][start:end], 0, -1)
                self.assertLessEqual(np.abs(scores - self.reference[f"scores.{i}"]).max(), 2e-5, i)
                np.testing.assert_array_equal(f["token_mask"][start:end], self.reference[f"token_mask.{i}"], str(i))
            of_view = f["view_rows"][()].astype(int) * f["view_columns"][()]
            np.testing.assert_array_equal(f["view_offset"][()], np.cumsum(of_view) - of_view)

    def test_corrected_values_follow_from_those_of_the_samples(self):
        with h5py.File(self.path) as f:
            value, chance = f["sample_hi"][()].astype(float), f["sample_chance"][()].astype(float)
            corrected = np.where(chance < 1, (value - chance) / np.where(chance < 1, 1 - chance, 1), np.nan)
            np.testing.assert_allclose(f["hi_corrected"][()], np.nanmean(corrected, 0), rtol=0, atol=1e-5)
            np.testing.assert_array_equal(f["hi_corrected_samples"][()], np.isfinite(corrected).sum(0))
            np.testing.assert_allclose(f["hi_chance"][()], chance.mean(0), rtol=0, atol=1e-6)

    def test_it_says_what_each_sample_is_of(self):
        data = json.loads((GOLDEN / "dataset/keyobjects.json").read_text())
        images, names = {i["id"]: i for i in data["images"]}, {c["id"]: c["name"] for c in data["categories"]}
        with h5py.File(self.path) as f:
            self.assertEqual(dict(zip(f["category"][()], f["category_name"].asstr("utf-8")[()])), names)
            annotations = {a["id"]: a for a in data["annotations"]}
            for at, i in enumerate(f["sample"][()]):
                image = images[annotations[i]["image_id"]]
                self.assertEqual(f["description"][at].decode(), annotations[i]["description"].strip())
                self.assertEqual(f["file_name"][at].decode(), image["file_name"])
                with Image.open(GOLDEN / "dataset/images" / image["file_name"]) as picture:
                    self.assertEqual((f["image_width"][at], f["image_height"][at]), ImageOps.exif_transpose(picture).size)


if __name__ == "__main__":
    unittest.main()
