"""The report in a real browser: nothing missing, nothing over something else, at a desktop's and a phone's width."""
import os
import re
import unittest

import browser as look
import made_up
from pages import ROOT, PageTests, run

# Where the Swift tests left pages that no verb makes from a results file.
LEFT_PAGES = ROOT / ".cache/report-pages"
FIGURES = ["corrected-matched", "hi-matched", "measure-maps"]
# In reports of enough layers, heads, samples and categories.
MORE_FIGURES = ["trend-layers", "size-matched", "reliability-matched", "reliability-chosen-matched", "agreement-heads",
                "agreement-layers", "categories-matched"]
TABLES = ["top-heads", "layer-table", "measures-table", "samples-table", "provenance-table"]
# Layers, heads, samples: one head, a small model, a usual one, and the largest published ones.
SIZES = [(1, 1, 1), (2, 3, 7), (28, 12, 300), (80, 64, 40)]


class Pages(PageTests):
    SCENES = 14

    @classmethod
    def make(cls):
        run("score", "--model", cls.demo / "model", *cls.inputs, "--output", cls.demo / "hi.h5", "--save-scores", "--quiet")
        run("report", cls.demo / "hi.h5", "--output", cls.folder / "scored", *cls.inputs)
        for size in SIZES:
            name = "x".join(map(str, size[:2]))
            made_up.write(cls.folder / f"{name}.h5", *size)
            run("report", cls.folder / f"{name}.h5", "--output", cls.folder / name)
        cls.reports = sorted(path.parent for path in cls.folder.glob("*/index.html"))
        cls.left = sorted(path.parent for path in LEFT_PAGES.glob("*/index.html"))
        if not cls.left and os.environ.get("CI"):
            raise RuntimeError(f"{LEFT_PAGES} holds no page: make test has the Swift tests leave one there")
        cls.all = cls.reports + cls.left

    def test_every_figure_and_table_is_there_with_its_files(self):
        for report in self.all:
            with self.page(report) as (page, _):
                self.check_files(report, page)

    def check_files(self, report, page):
        figures = page.eval_on_selector_all("figure[id]", "all => all.map(f => f.id)")
        if report in self.reports:
            self.assertLessEqual(set(FIGURES + TABLES), set(figures))
        if report.name in ("28x12", "scored"):
            self.assertLessEqual(set(MORE_FIGURES), set(figures))
        drawn = page.eval_on_selector_all("figure[id]:has(svg)", "all => all.map(f => f.id)")
        self.assertEqual({path.stem for path in report.glob("figures/*.svg")}, set(drawn))
        self.assertEqual({path.stem for path in report.glob("data/*.csv")}, set(figures))
        for link in page.eval_on_selector_all(".files a", "all => all.map(a => a.getAttribute('href'))"):
            self.assertGreater((report / link).stat().st_size, 10, link)
        for link in page.eval_on_selector_all("nav a", "all => all.map(a => a.getAttribute('href'))"):
            self.assertEqual(page.locator(link).count(), 1, link)

    def test_nothing_overlaps_or_is_cut_off_at_any_width(self):
        for width in (look.DESKTOP, look.PHONE):
            for report in self.all:
                with self.page(report, width) as (page, _):
                    self.assertEqual(page.evaluate(look.LABEL_PROBLEMS), [])
                    self.assertEqual(page.evaluate(look.LAYOUT_PROBLEMS), [])

    def test_everything_fits_a_phone_without_scrolling_sideways(self):
        for report in self.all:
            with self.page(report, look.PHONE) as (page, _):
                self.assertEqual(page.evaluate(look.WIDER_THAN_THEIR_BOX), [])

    def test_pictures_lead_to_large_ones(self):
        with look.opened(self.browser, self.folder / "scored" / "index.html") as (page, _):
            links = page.eval_on_selector_all(".pictures a", "all => all.map(a => a.getAttribute('href'))")
            self.assertGreater(len(links), 0)
            for link in links:
                self.assertGreater((self.folder / "scored" / link).stat().st_size, 100, link)

    def test_nothing_is_complained_of_and_nothing_asked_of_a_network(self):
        for report in self.all:
            with self.page(report) as (page, complaints):
                page.mouse.move(400, 600)
                self.assertEqual(complaints, [])

    def test_text_stands_out_from_the_paper_in_the_light_and_in_the_dark_and_print_is_light(self):
        for scheme, media, is_light in (("light", "screen", True), ("dark", "screen", False), ("dark", "print", True)):
            for report in self.all:
                with self.page(report, scheme=scheme, media=media) as (page, _):
                    self.assertGreaterEqual(page.evaluate(look.CONTRAST), 4.5)
                    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
                    self.assertEqual(int(re.findall(r"\d+", paper)[0]) > 128, is_light, paper)

    def test_every_figure_is_legible_alone(self):
        for report in self.all:
            with self.page(report) as (page, complaints):
                for path in sorted(report.glob("figures/*.svg")):
                    page.goto(path.as_uri())
                    self.assertEqual(page.evaluate(look.LABEL_PROBLEMS), [], path.name)
                self.assertEqual(complaints, [])

    def test_tables_are_sorted_by_a_click_and_by_the_keyboard(self):
        with look.opened(self.browser, self.folder / "28x12" / "index.html") as (page, _):
            def column(index):
                return page.eval_on_selector_all(
                    f"#layer-table tbody td:nth-child({index})", "all => all.map(cell => Number(cell.dataset.value))")

            heading = page.locator("#layer-table th", has_text="mean corrected HI")
            heading.locator("button").click()
            self.assertEqual(heading.get_attribute("aria-sort"), "descending")
            self.assertEqual(column(3), sorted(column(3), reverse=True))
            heading.locator("button").press("Enter")
            self.assertEqual(heading.get_attribute("aria-sort"), "ascending")
            self.assertEqual(column(3), sorted(column(3)))
            page.locator("#layer-table th", has_text="rank").locator("button").press("Space")
            self.assertEqual(heading.get_attribute("aria-sort"), "none")
            self.assertEqual(column(2), list(range(28, 0, -1)))
            page.locator("#provenance-table th button").first.click()
            names = page.eval_on_selector_all("#provenance-table td:first-child", "all => all.map(c => c.textContent)")
            self.assertEqual(names, sorted(names, key=str.casefold))

    def test_numbers_show_when_a_mark_is_pointed_at(self):
        with look.opened(self.browser, self.folder / "28x12" / "index.html", look.PHONE) as (page, _):
            note = page.locator("#note")
            self.assertFalse(note.is_visible())
            page.locator("#corrected-matched .narrow rect").first.hover()
            self.assertRegex(note.inner_text(),
                             r"^0\.0: corrected HI −?0\.\d{4}, HI 0\.\d{4}, chance 0\.0700, p \d\.\d{4}$")
            page.locator("h1").hover()
            self.assertFalse(note.is_visible())

    def test_an_overlap_a_cut_off_label_and_a_wide_page_are_noticed(self):
        with look.opened(self.browser, self.folder / "28x12" / "index.html", look.PHONE) as (page, _):
            page.evaluate("""() => {
              const labels = document.querySelectorAll("#trend-layers .narrow text");
              labels[5].setAttribute("y", labels[4].getAttribute("y"));
              labels[labels.length - 1].setAttribute("x", -200);
              document.querySelector("#provenance").style.width = "500px";
            }""")
            labels = page.evaluate(look.LABEL_PROBLEMS)
            self.assertTrue(any("trend-layers" in problem and "overlap" in problem for problem in labels), labels)
            self.assertTrue(any("leaves the figure" in problem for problem in labels), labels)
            self.assertTrue(any("pixels wide" in problem for problem in page.evaluate(look.LAYOUT_PROBLEMS)))


if __name__ == "__main__":
    unittest.main()
