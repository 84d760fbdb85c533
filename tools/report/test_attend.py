"""The page of attend in a real browser: heads and words are chosen by mouse and keyboard, and it shows the numbers of attention.csv."""
import contextlib
import csv
import re
import unittest

import browser as look
from pages import PageTests, run

# The veil's opacity at places of the picture, given as shares of its sides; in 255ths.
OPACITIES = """places => {
  const map = document.getElementById("map"), {width, height} = map;
  const copy = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d", {willReadFrequently: true});
  copy.drawImage(map, 0, 0);
  const {data} = copy.getImageData(0, 0, width, height);
  return places.map(([x, y]) => data[4 * (Math.floor(y * height) * width + Math.floor(x * width)) + 3]);
}"""


class AttentionPages(PageTests):
    @classmethod
    def make(cls):
        shared = ["attend", "--model", cls.demo / "model", "--precision", "f32", "--head", "1.1", "--head", "5.3"]
        run(*shared, *cls.inputs, "--annotation", "1", "--output", cls.folder / "described")
        image = min((cls.demo / "dataset/images").iterdir())
        run(*shared, "--image", image, "--generate", "--output", cls.folder / "answered")

    @contextlib.contextmanager
    def page(self, name, width=look.DESKTOP, **settings):
        with super().page(self.folder / name, width, **settings) as (page, complaints):
            yield page
            self.assertEqual(complaints, [])

    def rows(self, name, head, word):
        with open(self.folder / name / "attention.csv", newline="") as file:
            return [row for row in csv.DictReader(file)
                    if [row["layer"], row["head"]] == head.split(".") and row["word"] == str(word)]

    def test_nothing_is_cut_off_at_any_width_and_texts_can_be_read_light_and_dark(self):
        for width in (look.DESKTOP, look.PHONE):
            for scheme in ("light", "dark"):
                for name in ("described", "answered"):
                    with self.page(name, width, scheme=scheme) as page:
                        self.assertEqual(page.evaluate(look.LAYOUT_PROBLEMS), [])
                        self.assertGreater(page.evaluate(look.CONTRAST), 4.5)
                        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
                        self.assertEqual(paper == "rgb(255, 255, 255)", scheme == "light")

    def test_a_token_pointed_at_shows_the_number_of_the_file(self):
        for name in ("described", "answered"):
            with self.page(name) as page:
                page.locator("#words button").nth(2).click()
                page.locator("#heads button").nth(1).click()
                self.assertRegex(page.locator("#shown").inner_text(), "Head 5.3, from “")
                box = page.locator("#photograph").bounding_box()
                size = page.evaluate("data.size")
                rows = self.rows(name, "5.3", 2)
                highest = max(float(row["score"]) for row in rows)
                for token in (0, 9, 27, len(rows) - 1):
                    row = rows[token]
                    x = (float(row["x0"]) + float(row["x1"])) / 2 * box["width"] / size[0]
                    y = (float(row["y0"]) + float(row["y1"])) / 2 * box["height"] / size[1]
                    page.mouse.move(box["x"] + x, box["y"] + y)
                    shown = page.locator("#value").inner_text()
                    value = float(re.search(r"Attention ([0-9.e-]+),", shown)[1])
                    self.assertIn(f"Visual token {token}:", shown)
                    self.assertAlmostEqual(value, float(row["score"]), delta=0.006 * float(row["score"]) + highest / 65535)

    def test_the_veil_is_as_dense_as_the_attention_is_high(self):
        with self.page("described") as page:
            page.locator("#scale").select_option("map")
            size = page.evaluate("data.size")
            rows = sorted(self.rows("described", "1.1", 0), key=lambda row: float(row["score"]))
            places = [[(float(row[a + "0"]) + float(row[a + "1"])) / 2 / side for a, side in zip("xy", size)] for row in rows]
            found = page.evaluate(OPACITIES, places)
            page.locator("#outline").uncheck()
            self.assertEqual(found, page.evaluate(OPACITIES, places), "the frame of the object's cells covers what is in them")
            self.assertEqual(found, sorted(found))
            self.assertGreater(found[-1], 220)
            self.assertLess(found[0], 10)

    def test_heads_words_and_visual_tokens_are_reached_by_the_keyboard_alone(self):
        with self.page("described") as page:
            page.locator("#words button").first.focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
            word = page.locator("#words button").nth(1).inner_text()
            self.assertEqual(page.locator("#shown").inner_text(), f"Head 1.1, from “{word}”")
            page.locator("#all button").first.focus()
            page.keyboard.press("End")
            page.keyboard.press("Enter")
            self.assertTrue(page.locator("#shown").inner_text().startswith("Head 7.7"))
            self.assertEqual(page.evaluate("document.activeElement.closest('[role=group]').id"), "all")
            page.locator("#stage").focus()
            for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
                page.keyboard.press(key)
            self.assertRegex(page.locator("#value").inner_text(), "Visual token 9:")
            place = page.url

        with look.opened(self.browser, self.folder / "described/index.html") as (page, _):
            page.goto(place)
            self.assertTrue(page.locator("#shown").inner_text().startswith("Head 7.7"))

    def test_every_head_of_the_model_is_there_at_once(self):
        with self.page("answered") as page:
            self.assertEqual(page.locator("#all button").count(), 64)
            self.assertEqual(page.locator("#tokens").is_checked(), True)
            labels = page.locator("#all button").evaluate_all("all => all.map(b => b.getAttribute('aria-label'))")
            self.assertTrue(all(re.match(r"Head \d\.\d, highest [0-9.e-]+$", label) for label in labels), labels[0])

    def test_a_page_that_is_opened_alone_needs_no_other_file(self):
        alone = self.folder / "alone"
        alone.mkdir()
        (alone / "index.html").write_bytes((self.folder / "described/index.html").read_bytes())
        with self.page("alone") as page:
            self.assertEqual(page.locator("#all button").count(), 64)


if __name__ == "__main__":
    unittest.main()
