"""The comparison of training and texts must see a difference where there is one, and only there."""
import json
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools/reference")]

from generation import SPACES
from training import compare_ablations, compare_loaded, compare_texts, compare_training, first_samples, read_texts, write_questions

LOG = [{"loss": 2.0, "grad_norm": 1.0, "tokens": 9}, {"loss": 1.5, "grad_norm": 0.5, "tokens": 7}]
WEIGHTS = {"a": np.array([1.0, 2.0], np.float32), "b": np.array([[3.0]], np.float32)}
STEPS = {"loss": [2.0, 1.5], "gradient_norm": [1.0, 0.5], "tokens": [9, 7]}


def over(ours=WEIGHTS, **steps):
    """The first words of the figures that are over their limits."""
    return [f.what.split()[0] for f in compare_training(LOG, ours, WEIGHTS, STEPS | steps) if not f.ok]


class Training(unittest.TestCase):
    def test_equal_runs_agree(self):
        self.assertEqual(over(), [])

    def test_differences_below_the_limits_agree(self):
        self.assertEqual(over({k: w * np.float32(1.0009) for k, w in WEIGHTS.items()}, loss=[2.0001, 1.5],
                              gradient_norm=[1.0, 0.5004]), [])

    def test_each_difference_is_found(self):
        self.assertEqual(over(loss=[2.0, 1.5003]), ["loss"])
        self.assertEqual(over(loss=[2.0, 1.4997]), ["loss"])
        self.assertEqual(over(gradient_norm=[1.002, 0.5]), ["gradient"])
        self.assertEqual(over(tokens=[9, 8]), ["tokens"])
        self.assertEqual(over(WEIGHTS | {"a": WEIGHTS["a"] * np.float32(1.002)}), ["adapter"])

    def test_tensors_that_only_one_has_are_found(self):
        self.assertEqual(over({"a": WEIGHTS["a"]}), ["tensors"])
        self.assertEqual(over(WEIGHTS | {"c": WEIGHTS["a"]}), ["tensors"])
        self.assertEqual(over({}), ["tensors", "adapter"])
        self.assertEqual(over(WEIGHTS | {"b": np.full(1, 3.0, np.float32)}), ["adapter"])  # of another shape

    def test_missing_steps_hold_to_no_limit(self):
        self.assertEqual(over(loss=[2.0], gradient_norm=[1.0], tokens=[9]), ["loss", "gradient", "tokens"])

    def test_nan_holds_to_no_limit_wherever_it_is(self):
        for place in (0, 1):
            losses = [2.0, 1.5]
            losses[place] = float("nan")
            self.assertEqual(over(loss=losses), ["loss"])
        for name in WEIGHTS:
            self.assertEqual(over(WEIGHTS | {name: WEIGHTS[name] * np.float32("nan")}), ["adapter"], name)

    def test_loading_in_peft(self):
        agrees = lambda *a: [f.ok for f in compare_loaded(*a)]
        self.assertEqual(agrees(set(), 2.0001, 2.0), [True, True])
        self.assertEqual(agrees({"x"}, 2.0, 2.0), [False, True])
        self.assertEqual(agrees(set(), 2.0003, 2.0), [True, False])
        self.assertEqual(agrees(set(), 1.9997, 2.0), [True, False])
        self.assertEqual(agrees(set(), float("nan"), 2.0), [True, False])


class Ablation(unittest.TestCase):
    def over(self, loss=2.0, others=(2.5, 1.9), differences=(0.5, -0.1)):
        ours = {"loss": loss, "ablations": [{"loss": l, "difference": d} for l, d in zip(others, differences)]}
        return [not f.ok for f in compare_ablations(ours, [2.0, 2.5, 1.9])]

    def test_equal_losses_agree(self):
        self.assertEqual(self.over(), [False, False, False])

    def test_each_difference_is_found(self):
        self.assertEqual(self.over(loss=2.0001), [True, False, False])
        self.assertEqual(self.over(others=(2.5, 1.8999)), [True, False, False])
        self.assertEqual(self.over(differences=(0.5, 0.1)), [False, True, False])
        self.assertEqual(self.over(others=(float("nan"), 1.9)), [True, False, False])

    def test_heads_that_change_nothing_prove_nothing(self):
        ours = {"loss": 2.0, "ablations": [{"loss": 2.0, "difference": 0.0}]}
        self.assertEqual([f.ok for f in compare_ablations(ours, [2.0, 2.0])], [True, True, False])


class Texts(unittest.TestCase):
    def holds(self, ours, wanted, unsure=(), least=1):
        """Of: missing or of nobody, compared, differing."""
        return [f.ok for f in compare_texts(ours, wanted, unsure, least)]

    def test_equal_texts_agree(self):
        self.assertEqual(self.holds({1: "a"}, {1: "a"}), [True, True, True])

    def test_another_text_is_found(self):
        self.assertEqual(self.holds({1: "a", 2: "b"}, {1: "a", 2: "b "}), [True, True, False])

    def test_missing_texts_are_found_even_where_the_reference_is_unsure(self):
        self.assertEqual(self.holds({1: "a"}, {1: "a", 2: "b"}, {2}), [False, True, True])
        self.assertEqual(self.holds({1: "a", 3: "c"}, {1: "a"}), [False, True, True])

    def test_near_ties_may_fall_either_way_but_not_all_may_be_near_ties(self):
        self.assertEqual(self.holds({1: "a", 2: "x"}, {1: "a", 2: "b"}, {2}), [True, True, True])
        self.assertEqual(self.holds({1: "x"}, {1: "a"}, {1}), [True, False, True])

    def test_an_id_that_comes_twice_has_no_text(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.json"
            path.write_text(json.dumps([{"question_id": 1, "answer": "a"}, {"question_id": 1, "answer": "a"},
                                        {"image_id": 2, "caption": "b"}]))
            self.assertEqual(read_texts(path), {1: None, 2: "b"})

    def test_control_characters_are_no_white_space(self):
        self.assertEqual(" \n\x0ca\x1e\x85\u2009".strip(SPACES), "a\x1e")

    def test_datasets_made_for_a_case(self):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            (data / "images").mkdir(parents=True)
            images = [{"id": i, "file_name": f"{i}.png"} for i in range(1, 6)]
            for i in images:
                (data / "images" / i["file_name"]).write_bytes(b"picture %d" % i["id"])
            (data / "keyobjects.json").write_text(json.dumps(
                {"images": images, "annotations": [{"id": i, "image_id": 1} for i in (5, 9, 1, 4)]}))
            few = first_samples(data, 2, Path(folder) / "few")
            self.assertEqual([a["id"] for a in json.loads((few / "keyobjects.json").read_text())["annotations"]], [1, 4])
            self.assertTrue((few / "images/1.png").exists())
            self.assertEqual(first_samples(data, None, Path(folder) / "all"), data)
            pairs = write_questions(data, Path(folder) / "vqa")
            asked = json.loads((Path(folder) / "vqa/questions.json").read_text())["questions"]
            self.assertEqual([q["question_id"] for q in asked], list(pairs))
            self.assertGreaterEqual(len(pairs), 55)
            for q in asked:
                path, question = pairs[q["question_id"]]
                self.assertEqual((int(path.stem), question), (q["image_id"], q["question"]))


if __name__ == "__main__":
    unittest.main()
