"""The comparison of places must see a difference where there is one, and only there."""
import copy
import sys
import unittest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools/reference")]

import ground_reference
from grounding import compare_places, overlaps, scores_of


def entry(key, box, target, size=(20, 30)):
    """A result whose mask is its box, and the true mask, which fills the target."""
    mask, truth = np.zeros(size, bool), np.zeros(size, bool)
    for pixels, (x, y, width, height) in ((mask, box), (truth, target)):
        pixels[y:y + height, x:x + width] = True
    return {"annotation_id": key, "bbox": box, "score": 0.4, "target_bbox": target,
            "segmentation": {"size": list(size), "counts": ground_reference.run_lengths(mask)}} | overlaps(mask, box, truth, target), truth


class Places(unittest.TestCase):
    def setUp(self):
        made = {key: entry(key, box, target) for key, box, target in (
            (1, [2, 3, 10, 8], [2, 3, 10, 9]), (2, [0, 0, 5, 5], [20, 10, 5, 5]), (7, [4, 4, 8, 8], [6, 6, 8, 8]))}
        self.wanted = {key: found for key, (found, _) in made.items()}
        self.masks = {key: truth for key, (_, truth) in made.items()}

    def over(self, change=lambda entries: None, **scores):
        entries = [copy.deepcopy(e) for e in self.wanted.values()]
        summary = scores_of(entries) | scores
        change(entries)
        return [f.what.split(",")[0] for f in compare_places(entries, summary, self.wanted, self.masks) if not f.ok]

    def test_equal_places_agree(self):
        self.assertEqual(self.over(), [])

    def test_a_missing_expression_and_one_that_comes_twice(self):
        self.assertIn("expressions that only one of the two has", self.over(lambda entries: entries.pop()))
        self.assertIn("expressions that only one of the two has", self.over(lambda entries: entries.append(entries[0])))

    def test_another_mask(self):
        other = entry(2, [0, 0, 5, 6], [20, 10, 5, 5])[0]
        self.assertEqual(self.over(lambda entries: entries.__setitem__(1, other)), ["masks and boxes that are equal (share)", "accuracies and mean IoUs"])

    def test_another_share_of_attention(self):
        self.assertEqual(self.over(lambda entries: entries[0].update(score=0.41)), ["share of attention in a mask"])

    def test_another_box_to_be_found(self):
        self.assertEqual(self.over(lambda entries: entries[0].update(target_bbox=[2, 3, 10, 10])), ["boxes to be found", "accuracies and mean IoUs"])

    def test_a_wrong_overlap(self):
        self.assertEqual(self.over(lambda entries: entries[0].update(bbox_iou=0.9)), ["IoU of boxes"])
        self.assertEqual(self.over(lambda entries: entries[2].update(mask_union=93)), ["pixels in both masks or in either that differ"])

    def test_a_wrong_score(self):
        for name in scores_of(list(self.wanted.values())):
            self.assertEqual(self.over(**{name: 0.123}), ["accuracies and mean IoUs"], name)

    def test_the_scores_by_their_definition(self):
        scores = scores_of(list(self.wanted.values()))
        # IoU 80 / 90, 0, and 36 / 92.
        self.assertAlmostEqual(scores["mean_box_iou"], (80 / 90 + 36 / 92) / 3)
        self.assertAlmostEqual(scores["box_accuracy_25"], 2 / 3)
        self.assertAlmostEqual(scores["box_accuracy_50"], 1 / 3)
        self.assertAlmostEqual(scores["cumulative_mask_iou"], (80 + 36) / (90 + 50 + 92))
        self.assertAlmostEqual(scores["whole_image_mean_iou"], (90 + 25 + 64) / 3 / 600)


if __name__ == "__main__":
    unittest.main()
