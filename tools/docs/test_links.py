"""Every relative link of README.md and docs/*.md leads to a file, and to a heading of it where it names one."""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def prose(page):
    """The page without its blocks of code, where brackets mean other things."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """The headings as GitHub names them in addresses."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def broken(page):
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or anchor and anchor not in anchors(target):
            yield link


class Links(unittest.TestCase):
    def test_every_relative_link_leads_somewhere(self):
        self.assertEqual({str(p.relative_to(ROOT)): found for p in PAGES if (found := list(broken(p)))}, {})

    def test_every_page_of_docs_is_linked_from_the_readme(self):
        linked = set(LINK.findall(prose(PAGES[0])))
        self.assertEqual([p.name for p in PAGES[1:] if f"docs/{p.name}" not in linked], [])


if __name__ == "__main__":
    unittest.main()
