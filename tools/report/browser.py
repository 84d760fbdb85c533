"""A page in a real browser, and what is wrong with how it looks there."""
import contextlib
import os
import shutil

from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DESKTOP, PHONE = 1280, 390

# Texts of every figure that meet, or leave it; by more than a pixel, for fonts are rounded to pixels.
LABEL_PROBLEMS = """() => [...document.querySelectorAll("svg.fig")].flatMap(svg => {
  const name = svg.closest("figure")?.id ?? location.pathname.split("/").pop();
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
  const problems = [];
  texts.forEach(([words, a], index) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
      problems.push(`${name}: "${words}" leaves the figure`);
    for (const [others, b] of texts.slice(index + 1))
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
        problems.push(`${name}: "${words}" and "${others}" overlap`);
  });
  return problems;
})"""

# Blocks that lie over one another, figures without size, pictures that didn't load, and what makes the page itself scroll.
LAYOUT_PROBLEMS = """() => {
  const problems = [];
  const page = document.documentElement;
  if (page.scrollWidth > innerWidth) problems.push(`the page is ${page.scrollWidth} pixels wide, the window ${innerWidth}`);
  const blocks = [...document.querySelectorAll("header > *, nav, section > h2, section > p, figure")];
  const boxes = blocks.map(block => [block.id || block.textContent.slice(0, 30), block.getBoundingClientRect()]);
  boxes.forEach(([name, a], index) => {
    if (a.width < 20 || a.height < 10) problems.push(`${name} is ${a.width} x ${a.height} pixels`);
    if (a.left < 0 || a.right > innerWidth + 1) problems.push(`${name} leaves the window`);
    for (const [other, b] of boxes.slice(index + 1))
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
        problems.push(`${name} and ${other} overlap`);
  });
  for (const svg of [...document.querySelectorAll("figure svg")].filter(svg => svg.checkVisibility())) {
    const box = svg.getBoundingClientRect();
    const name = svg.closest("figure").id;
    if (box.width < 120 || box.height < 60) problems.push(`${name}: its drawing is ${box.width} x ${box.height}`);
  }
  for (const image of document.images) if (!image.naturalWidth) problems.push(`${image.src} didn't load`);
  return problems;
}"""

# Boxes that could be scrolled sideways.
WIDER_THAN_THEIR_BOX = """() => [...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth + 1)
  .map(box => `${box.closest("figure")?.id ?? box.getAttribute("aria-label")}: ${box.scrollWidth} pixels in ${box.clientWidth}`)"""

# The least contrast of the page's texts and its figures' labels with the paper.
CONTRAST = """() => {
  const channels = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const luminance = colour => channels(colour).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const inks = [...document.querySelectorAll("h1, p, figcaption p, a, td, th button")].map(e => getComputedStyle(e).color)
    .concat([...document.querySelectorAll("svg.fig text:not(.on-dark):not(.on-light)")].map(e => getComputedStyle(e).fill));
  return Math.min(...[...new Set(inks)].map(luminance).map(ink =>
    (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)));
}"""


@contextlib.contextmanager
def chromium():
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser, path, width=DESKTOP, scheme="light", media="screen"):
    """The page, and a list that fills with what it complains of: errors, and requests for anything but files."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"{request.url} failed"))
    page.on("request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url))
    try:
        page.emulate_media(media=media, color_scheme=scheme)
        page.goto(path.as_uri())
        yield page, complaints
    finally:
        context.close()
