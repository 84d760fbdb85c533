import Figures

/// The page's script: sorting, and notes that a finger gets too. Everything can be read without it.
enum PageScript {
  static let text = #"""
    "use strict";
    // Sorting: a click on a column's heading, or Enter on it; numbers begin with the highest.
    for (const button of document.querySelectorAll("th button")) {
      button.addEventListener("click", () => {
        const heading = button.closest("th"), row = heading.parentElement;
        const table = heading.closest("table"), body = table.tBodies[0];
        const column = [...row.children].indexOf(heading);
        const isNumber = heading.classList.contains("number");
        const old = heading.getAttribute("aria-sort");
        const descending = old === "none" ? isNumber : old === "ascending";
        const key = tr => {
          const cell = tr.children[column];
          return isNumber ? (cell.dataset.value ? Number(cell.dataset.value) : NaN) : cell.textContent;
        };
        const compare = (a, b) => {
          if (!isNumber) return a.localeCompare(b, undefined, {numeric: true}) * (descending ? -1 : 1);
          if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b);
          return descending ? b - a : a - b;
        };
        const rows = [...body.rows].map(tr => [key(tr), tr]).sort((a, b) => compare(a[0], b[0]));
        body.append(...rows.map(pair => pair[1]));
        for (const other of row.children) other.setAttribute("aria-sort", "none");
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      });
    }
    // Notes: what a mark's title says, at once and under a finger.
    const note = document.createElement("div");
    note.id = "note";
    note.hidden = true;
    document.body.append(note);
    const words = new WeakMap();
    function noteOf(target) {
      for (let at = target; at && at.closest && at.closest("svg.fig"); at = at.parentElement) {
        if (words.has(at)) return words.get(at);
        const title = at.querySelector(":scope > title");
        if (title) {
          words.set(at, title.textContent);
          title.remove();
          return words.get(at);
        }
      }
      return null;
    }
    function show(event) {
      const text = event.target instanceof Element ? noteOf(event.target) : null;
      note.hidden = !text;
      if (!text) return;
      note.textContent = text;
      const box = note.getBoundingClientRect();
      const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
      const above = event.clientY - box.height - 12;
      note.style.left = Math.max(8, left) + "px";
      note.style.top = (above > 8 ? above : event.clientY + 18) + "px";
    }
    document.addEventListener("pointermove", show, {passive: true});
    document.addEventListener("pointerdown", show, {passive: true});
    document.addEventListener("scroll", () => { note.hidden = true; }, {passive: true, capture: true});
    """#
}
