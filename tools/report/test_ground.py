"""The page of ground in a real browser: nothing is cut off, and the boxes lie where the results say."""
import json
import unittest

import browser as look
from pages import PageTests, run

# The corners of the boxes, in shares of the picture's sides.
BOXES = """all => all.map(figure => {
  const picture = figure.querySelector("img").getBoundingClientRect();
  return Object.fromEntries(["found", "right"].map(name => {
    const box = figure.querySelector(`rect.${name}`)?.getBoundingClientRect();
    return [name, box && [(box.left - picture.left) / picture.width, (box.top - picture.top) / picture.height,
                          box.width / picture.width, box.height / picture.height]];
  }));
})"""


# Pictures further down are loaded when a reader comes to them.
LOADED = "all => Promise.all(all.map(i => { i.loading = 'eager'; return i.decode(); }))"


class GroundingPages(PageTests):
    SCENES = 60

    @classmethod
    def make(cls):
        places = cls.folder / "places.json"
        run("ground", "--model", cls.demo / "model", *cls.inputs, "--heads", "1.1,0.1", "--output", places, "--page",
            cls.folder / "grounded", "--quiet")
        cls.places = sorted(json.loads(places.read_text()), key=lambda place: -place["bbox_iou"])

    def test_nothing_is_cut_off_at_any_width_and_texts_can_be_read_light_and_dark(self):
        for width in (look.DESKTOP, look.PHONE):
            for scheme in ("light", "dark"):
                with self.page(self.folder / "grounded", width, scheme=scheme) as (page, complaints):
                    page.eval_on_selector_all("img", LOADED)
                    self.assertEqual(page.evaluate(look.LAYOUT_PROBLEMS), [])
                    self.assertEqual(page.evaluate(look.WIDER_THAN_THEIR_BOX), [])
                    self.assertGreater(page.evaluate(look.CONTRAST), 4.5)
                    self.assertEqual(complaints, [])

    def test_the_best_and_the_worst_are_shown_with_their_numbers(self):
        with self.page(self.folder / "grounded") as (page, _):
            shown = page.eval_on_selector_all("figcaption b", "all => all.map(b => Number(/IoU ([0-9.]+)/.exec(b.textContent)?.[1] ?? 0))")
            ious = [place["bbox_iou"] for place in self.places]
            self.assertEqual(len(shown), 48)
            for value, iou in zip(shown, ious[:24] + ious[:-25:-1]):
                self.assertAlmostEqual(value, iou, delta=0.0051)

    def test_boxes_lie_where_the_results_say(self):
        by_id = {place["expression_id"]: place for place in self.places}
        for width in (look.DESKTOP, look.PHONE):
            with self.page(self.folder / "grounded", width) as (page, _):
                page.eval_on_selector_all("img", LOADED)
                ids = page.eval_on_selector_all("figcaption small", "all => all.map(s => Number(/expression (\\d+)$/.exec(s.textContent)[1]))")
                for key, boxes in zip(ids, page.eval_on_selector_all("figure", BOXES)):
                    height, across = by_id[key]["segmentation"]["size"]
                    for name, box in (("found", by_id[key]["bbox"]), ("right", by_id[key]["target_bbox"])):
                        for share, number, side in zip(boxes[name], box, (across, height, across, height)):
                            self.assertAlmostEqual(share, number / side, delta=0.02, msg=f"{key}: {name}")


if __name__ == "__main__":
    unittest.main()
