"""The comparison of training and texts must tell right from wrong."""
import sys
import unittest
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from training import compare_texts, compare_training

LOG = [{"loss": 2.0, "grad_norm": 1.0}, {"loss": 1.5, "grad_norm": 0.5}]
WEIGHTS = {"a": np.array([1.0, 2.0], np.float32)}


def holds(log=LOG, ours=WEIGHTS, losses=(2.0, 1.5), norms=(1.0, 0.5)):
    return [f.ok for f in compare_training(log, (ours, WEIGHTS), np.array(losses), np.array(norms))]


class Training(unittest.TestCase):
    def test_equal_runs_agree(self):
        self.assertEqual(holds(), [True] * 4)

    def test_each_difference_is_found(self):
        self.assertEqual(holds(ours={"b": WEIGHTS["a"]})[0], False)
        self.assertEqual(holds(losses=(2.0, 1.5003)), [True, False, True, True])
        self.assertEqual(holds(norms=(1.002, 0.5)), [True, True, False, True])
        self.assertEqual(holds(ours={"a": WEIGHTS["a"] * np.float32(1.002)}), [True, True, True, False])

    def test_missing_steps_and_nan_hold_to_no_limit(self):
        self.assertEqual(holds(losses=(2.0,), norms=(1.0,))[1:3], [False, False])
        self.assertEqual(holds(losses=(2.0, float("nan")))[1], False)

    def test_texts(self):
        self.assertEqual([f.ok for f in compare_texts({1: "a", 2: "b"}, {1: "a"}, 1)], [True, True])
        self.assertEqual([f.ok for f in compare_texts({1: "a"}, {1: "b"}, 1)], [True, False])
        self.assertEqual([f.ok for f in compare_texts({}, {1: "b"}, 2)], [False, False])


if __name__ == "__main__":
    unittest.main()
