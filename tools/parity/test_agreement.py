"""The comparison behind `make parity` must see a difference where there is one, and only there."""
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

from agreement import TABLES, Figure, compare_bf16, compare_f32, spearman


def write(path, change=lambda values: None, is_ours=False):
    """An output like the reference's, of 4 samples, 2 layers and 8 heads; `change` may spoil it.

    is_ours: as headimpact writes it, the samples' scores and masks one after another.
    """
    rng = np.random.default_rng(3)
    values = {f"scores/{i}": rng.random((2, 8, 12)) / 12 for i in (3, 5, 8, 13)}
    values |= {"sample": np.array([3, 5, 8, 13]), "sample_hi": rng.random((4, 6, 2, 8))}
    values |= {name: rng.random((6, 2, 8)) for name in (*TABLES[:-1], "p_value")}
    values |= {"sink_share": rng.random((2, 8))}
    values |= {f"{n}_tokens": rng.integers(1, 50, 4) for n in ("sequence", "visual", "caption", "mask")}
    values["visual_tokens"] = np.full(4, 12)
    values |= {f"token_mask/{i}": rng.random(12) < 0.3 for i in (3, 5, 8, 13)}
    change(values)
    if is_ours:
        for name in ("scores", "token_mask"):
            parts = [values.pop(key) for key in list(values) if key.startswith(name)]
            values[name] = np.concatenate([np.moveaxis(part, -1, 0) for part in parts])
    with h5py.File(path, "w") as f:
        for name, value in values.items():
            f[name] = value


class Agreement(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.ours, self.theirs = Path(folder.name) / "ours.h5", Path(folder.name) / "theirs.h5"
        write(self.theirs)

    def over(self, change):
        """What is over its limit once `change` has spoilt our output."""
        write(self.ours, change, is_ours=True)
        return [f.what for f in compare_f32(self.ours, self.theirs) if not f.ok]

    def test_equal_outputs_agree(self):
        self.assertEqual(self.over(lambda v: None), [])

    def test_noise_below_the_limits_agrees(self):
        def change(v):
            v["scores/5"] = v["scores/5"] * (1 + 5e-5)
            v["hi"] = v["hi"] + 1e-3
            v["sample_hi"] = v["sample_hi"] + 5e-7
        self.assertEqual(self.over(change), [])

    def test_one_score_off_is_seen(self):
        def change(v):
            v["scores/5"][1, 2, 3] += 3e-5
        self.assertIn("AS: max difference", self.over(change))

    def test_one_head_off_in_proportion_is_seen(self):
        def change(v):
            v["scores/5"][1, 2] *= 1 + 1.2e-4  # under 2e-5 in absolute terms
        self.assertEqual(self.over(change), ["AS: relative L2 (worst sample, layer and head)"])

    def test_a_head_that_sees_nothing_of_the_image_agrees_with_one_that_sees_nothing_either(self):
        def blind(v):
            v["scores/5"][1, 2] = 0
        write(self.theirs, blind)
        self.assertEqual(self.over(blind), [])
        self.assertEqual(self.over(lambda v: v["scores/5"].__setitem__((1, 2), 1e-9)), ["AS: relative L2 (worst sample, layer and head)"])

    def test_a_hundredth_of_the_measures_off_is_seen(self):
        def change(v):
            v["sample_hi"].reshape(-1)[::100] += 1e-5
        self.assertEqual(self.over(change), ["per-sample measures equal to 1e-6 (share)"])

    def test_each_table_is_compared(self):
        for name in TABLES:
            def change(v, name=name):
                v[name].flat[5] += 3e-3
            with self.subTest(name):
                self.assertEqual(self.over(change), [f"{name}: max difference"])

    def test_p_values_are_compared(self):
        def change(v):
            v["p_value"][0, 0, :2] += 0.05
        self.assertEqual(self.over(change), ["p_value: equal to 0.04 (share)"])

    def test_nan_in_a_table_or_score_is_seen(self):
        def change(v):
            v["hi"].flat[0] = np.nan
            v["scores/3"].flat[0] = np.nan
        self.assertEqual(set(self.over(change)) - {"AS: relative L2 (worst sample, layer and head)"},
                         {"AS: max difference", "hi: max difference"})

    def test_a_missing_sample_is_seen(self):
        self.assertIn("AS: samples missing or of another shape", self.over(lambda v: v.pop("scores/13")))

    def test_token_counts_are_compared(self):
        def change(v):
            v["caption_tokens"][2] += 1
        self.assertEqual(self.over(change), ["samples whose caption tokens differ"])

    def test_token_masks_are_compared(self):
        def change(v):
            v["token_mask/8"][2] ^= True
        self.assertEqual(self.over(change), ["samples whose token masks differ"])

    def test_bf16_must_be_as_near_as_the_bf16_reference(self):
        reference = self.ours.with_name("bf16.h5")

        def scaled(by):
            def change(v):
                for key in v:
                    if key.startswith("scores"):
                        v[key] = v[key] * by
            return change

        write(reference, scaled(1.01))
        for by, agrees in ((1.009, True), (1.02, False)):
            write(self.ours, scaled(by), is_ours=True)
            over = [f.what for f in compare_bf16(self.ours, reference, self.theirs) if not f.ok]
            self.assertEqual(over == [], agrees, over)

    def test_nan_holds_to_no_limit(self):
        self.assertFalse(Figure("x", float("nan"), 1).ok)
        self.assertFalse(Figure("x", float("nan"), 1, ">=").ok)

    def test_spearman_shares_ties(self):
        self.assertAlmostEqual(spearman(np.array([1, 2, 2, 4]), np.array([1, 3, 3, 9])), 1)
        self.assertAlmostEqual(spearman(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])), -1)


if __name__ == "__main__":
    unittest.main()
