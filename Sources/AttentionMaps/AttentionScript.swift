/// The script of `AttentionPage`: it draws maps of attention over the photograph. It loads nothing.
enum AttentionScript {
  static let text = #"""
    "use strict";
    const get = id => document.getElementById(id);
    const data = JSON.parse(get("data").textContent);
    const packed = Uint8Array.from(atob(data.maps), c => c.charCodeAt(0));
    const visual = data.cells.length / 4, photograph = get("photograph");
    const chosen = new Set(data.chosen), detail = new Map(data.detailed.map((head, place) => [head, place]));
    // A unit is 0, the whole text, or the number of a word or token from 1.
    const state = {head: data.chosen[0], unit: 0, byToken: data.startsWithTokens, part: 0, scale: "head", cell: -1};

    // ---- Numbers
    const maps = new Map();
    function map(index) {
      if (!maps.has(index)) {
        if (maps.size > 4096) maps.clear();
        const scores = new Float32Array(visual), first = 2 * visual * index, unit = data.peaks[index] / 65535;
        for (let v = 0; v < visual; v++) scores[v] = (packed[first + 2 * v] + 256 * packed[first + 2 * v + 1]) * unit;
        maps.set(index, scores);
      }
      return maps.get(index);
    }
    const units = () => state.byToken ? data.tokens.map((text, at) => ({text, tokens: [at]})) : data.words;
    // The scores of a head for a unit; null where the page has none.
    function scores(head, unit) {
      if (unit === 0) return map(head);
      if (!detail.has(head)) return null;
      const tokens = units()[unit - 1].tokens, first = data.heads.length + detail.get(head) * data.tokens.length;
      if (tokens.length === 1) return map(first + tokens[0]);
      const mean = new Float32Array(visual);
      for (const token of tokens) map(first + token).forEach((score, v) => { mean[v] += score / tokens.length; });
      return mean;
    }
    const highest = values => values.reduce((a, b) => Math.max(a, b), 0);
    const peaks = new Map();
    function peakOfHead(head, unit) {
      if (unit === 0 || !detail.has(head)) return data.peaks[head];
      const key = head + (state.byToken ? "t" : "w");
      if (!peaks.has(key)) peaks.set(key, units().reduce((top, _, at) => Math.max(top, highest(scores(head, at + 1))), 0));
      return peaks.get(key);
    }
    function peak(head, unit, values) {
      if (state.scale === "map") return highest(values);
      if (state.scale === "head") return peakOfHead(head, unit);
      const heads = unit === 0 ? data.heads.map((_, at) => at) : data.detailed;
      return heads.reduce((top, head) => Math.max(top, peakOfHead(head, unit)), 0);
    }
    const digits = value => value === 0 ? "0" : value < 1e-4 ? value.toExponential(1) : value.toPrecision(3);
    const name = head => data.heads[head].join(".");

    // ---- Drawing
    const shownTokens = () =>
      data.parts[state.part].tokens.flatMap(([from, to]) => Array.from({length: to - from}, (_, i) => from + i));
    function box(v, width, height) {
      const [x0, y0, x1, y1] = data.cells.slice(4 * v, 4 * v + 4);
      const across = x => Math.round(x * width / data.size[0]), down = y => Math.round(y * height / data.size[1]);
      return [across(x0), down(y0), across(x1) - across(x0), down(y1) - down(y0)];
    }
    function colour(share) {
      const [r, g, b, a] = data.veil[Math.round(Math.min(Math.max(share, 0), 1) * (data.veil.length - 1))];
      return `rgba(${r},${g},${b},${a / 255})`;
    }
    // Where cells overlap, the highest is seen.
    function veil(context, values, top) {
      const {width, height} = context.canvas, order = shownTokens().filter(v => values[v] > 0);
      if (top > 0) for (const v of order.sort((a, b) => values[a] - values[b])) {
        const at = box(v, width, height);
        context.clearRect(...at);
        context.fillStyle = colour(values[v] / top);
        context.fillRect(...at);
      }
    }
    const scratch = (width, height) => Object.assign(document.createElement("canvas"), {width, height}).getContext("2d");
    // The border of the object's cells, on their side: what a smaller copy of them leaves.
    function frame(context, reach, style, opacity) {
      const {width, height} = context.canvas, whole = scratch(width, height), inner = scratch(width, height);
      whole.fillStyle = style;
      const seen = new Set(shownTokens());
      for (const v of data.object) if (seen.has(v)) whole.fillRect(...box(v, width, height));
      inner.drawImage(whole.canvas, 0, 0);
      inner.globalCompositeOperation = "destination-in";
      for (const [x, y] of [[reach, 0], [-reach, 0], [0, reach], [0, -reach]]) inner.drawImage(whole.canvas, x, y);
      whole.globalCompositeOperation = "destination-out";
      whole.drawImage(inner.canvas, 0, 0);
      context.globalAlpha = opacity;
      context.drawImage(whole.canvas, 0, 0);
      context.globalAlpha = 1;
    }
    function drawMap() {
      const canvas = get("map"), ratio = window.devicePixelRatio || 1;
      canvas.width = Math.max(1, Math.round(photograph.clientWidth * ratio));
      canvas.height = Math.max(1, Math.round(photograph.clientHeight * ratio));
      const context = canvas.getContext("2d"), values = scores(state.head, state.unit), top = peak(state.head, state.unit, values);
      veil(context, values, top);
      if (get("outline").checked) {
        frame(context, Math.round(3 * ratio), "#000", .75);
        frame(context, Math.round(1.5 * ratio), "#fff", 1);
      }
      if (state.cell >= 0) {
        const [x, y, w, h] = box(state.cell, canvas.width, canvas.height);
        for (const [width, style] of [[4 * ratio, "#000"], [2 * ratio, "#fff"]]) {
          context.lineWidth = width; context.strokeStyle = style; context.strokeRect(x, y, w, h);
        }
      }
      const bar = get("colours");
      bar.width = 256; bar.height = 12;
      const paint = bar.getContext("2d");
      paint.fillStyle = "#808080"; paint.fillRect(0, 0, 256, 12);
      for (let x = 0; x < 256; x++) { paint.fillStyle = colour(x / 255); paint.fillRect(x, 0, 1, 12); }
      get("ticks").replaceChildren(...[0, top / 2, top].map(value =>
        Object.assign(document.createElement("span"), {textContent: digits(value)})));
      tell();
    }
    function tell() {
      const unit = state.unit === 0 ? "the whole text" : "“" + units()[state.unit - 1].text + "”";
      get("shown").textContent = `Head ${name(state.head)}, from ${unit}`;
      const values = scores(state.head, state.unit), v = state.cell;
      if (v < 0) {
        const total = values.reduce((a, b) => a + b, 0);
        get("value").textContent = "Point at the picture, or go over it with the arrow keys, to read a visual token. "
          + (total > 0 ? `All ${visual} together: ${digits(total)}.` : "");
        return;
      }
      const [x0, y0, x1, y1] = data.cells.slice(4 * v, 4 * v + 4).map(Math.round), rank = values.filter(s => s > values[v]).length + 1;
      get("value").textContent = `Attention ${digits(values[v])}, number ${rank} of ${visual}. Visual token ${v}: `
        + `x ${x0} to ${x1}, y ${y0} to ${y1}` + (data.object.includes(v) ? ", on the object." : ".");
    }

    // ---- Small pictures, drawn when they come into sight
    const tiles = new Map();
    const watch = new IntersectionObserver(entries => {
      for (const {isIntersecting, target} of entries) if (isIntersecting) {
        watch.unobserve(target);
        tiles.get(target)();
      }
    }, {rootMargin: "200px"});
    const aspect = data.size[0] / data.size[1];
    function tile(label, small, spoken, head, unit, isPressed, act) {
      const button = document.createElement("button"), canvas = document.createElement("canvas");
      canvas.width = Math.round(aspect >= 1 ? 160 : 160 * aspect); canvas.height = Math.round(aspect >= 1 ? 160 / aspect : 160);
      const words = document.createElement("span");
      words.append(label, " ", Object.assign(document.createElement("small"), {textContent: small}));
      button.type = "button"; button.title = spoken; button.setAttribute("aria-label", spoken);
      button.setAttribute("aria-pressed", isPressed); button.tabIndex = isPressed ? 0 : -1;
      button.append(canvas, words);
      button.addEventListener("click", act);
      tiles.set(canvas, () => {
        const context = canvas.getContext("2d"), cover = scratch(canvas.width, canvas.height);
        const values = scores(head, unit) || scores(head, 0);
        context.drawImage(photograph, 0, 0, canvas.width, canvas.height);
        context.globalCompositeOperation = "saturation"; context.globalAlpha = .8; context.fillStyle = "#808080";
        context.fillRect(0, 0, canvas.width, canvas.height);
        context.globalCompositeOperation = "source-over"; context.globalAlpha = 1;
        veil(cover, values, peak(head, scores(head, unit) ? unit : 0, values));
        context.drawImage(cover.canvas, 0, 0);
      });
      watch.observe(canvas);
      return button;
    }
    function allHeads() {
      const whole = data.detailed.length === data.heads.length, unit = whole ? state.unit : 0, parts = [];
      get("all-note").textContent = (unit === 0 ? "From the whole text" : `From “${units()[unit - 1].text}”`)
        + (whole ? "." : ": the page has the words of some heads only, which are marked ●.")
        + (data.matched.length ? " The numbers are IoU with the mask (matched)." : " The numbers are each head's highest attention.")
        + " A click shows the head above.";
      let layer = -1, row;
      data.heads.forEach((place, head) => {
        if (place[0] !== layer) {
          layer = place[0];
          row = Object.assign(document.createElement("div"), {className: "tiles"});
          parts.push(Object.assign(document.createElement("h3"), {textContent: "Layer " + layer}), row);
        }
        const value = data.matched.length ? data.matched[head].toFixed(2) : digits(highest(scores(head, unit)));
        const mark = !whole && detail.has(head) ? " ●" : chosen.has(head) ? " ★" : "";
        row.append(tile(name(head) + mark, value, `Head ${name(head)}, ${data.matched.length ? "IoU" : "highest"} ${value}`, head, unit,
          head === state.head, () => { pick({head}); get("shown").scrollIntoView({block: "nearest"}); }));
      });
      get("all").replaceChildren(...parts);
    }
    function wordTiles() {
      const known = detail.has(state.head);
      get("pieces-title").textContent = `Head ${name(state.head)}, ${state.byToken ? "token by token" : "word by word"}`;
      get("pieces").replaceChildren(...[{text: "whole text"}, ...(known ? units() : [])].map(({text}, unit) =>
        tile(text, "", `Head ${name(state.head)}, from ${text}, highest ${digits(highest(scores(state.head, unit)))}`,
          state.head, unit, unit === state.unit, () => pick({unit}))));
    }

    // ---- Choosing
    function button(words, small, isPressed, act) {
      const button = document.createElement("button");
      button.type = "button"; button.append(words);
      if (small) button.append(" ", Object.assign(document.createElement("small"), {textContent: small}));
      button.setAttribute("aria-pressed", isPressed); button.tabIndex = isPressed ? 0 : -1;
      button.addEventListener("click", act);
      return button;
    }
    function controls() {
      const known = detail.has(state.head), all = [{text: "whole text"}, ...(known ? units() : [])];
      get("words").replaceChildren(...all.map(({text}, unit) => button(text, "", unit === state.unit, () => pick({unit}))));
      const heads = chosen.has(state.head) ? data.chosen : [...data.chosen, state.head];
      get("heads").replaceChildren(...heads.map(head => button(name(head),
        data.matched.length ? "IoU " + data.matched[head].toFixed(2) : "", head === state.head, () => pick({head}))));
    }
    function pick(change) {
      const focused = document.activeElement && document.activeElement.closest("[role=group]");
      const isNewPart = "byToken" in change || "part" in change || "scale" in change;
      if ("byToken" in change) state.unit = 0;
      Object.assign(state, change);
      if (!detail.has(state.head)) state.unit = 0;
      tiles.clear(); watch.disconnect();
      controls(); drawMap(); wordTiles(); allHeads();
      const pressed = focused && focused.id !== "stage" && !isNewPart && focused.querySelector("[aria-pressed=true]");
      if (pressed) pressed.focus({preventScroll: true});
      history.replaceState(null, "", `#${name(state.head)},${state.byToken ? "token" : "word"},${state.unit}`);
    }
    function restore() {
      const [head, by, unit] = decodeURIComponent(location.hash.slice(1)).split(",");
      const at = data.heads.findIndex((_, place) => name(place) === head);
      if (at < 0) return;
      state.head = at; state.byToken = by === "token";
      if (detail.has(at) && Number(unit) >= 0 && Number(unit) <= units().length) state.unit = Number(unit);
    }
    // Arrow keys go through the buttons of a group: one along the row, or to the nearest in the next row.
    document.addEventListener("keydown", event => {
      const group = event.target.closest && event.target.closest("[role=group]");
      if (!group || event.target.tagName !== "BUTTON" || event.altKey || event.ctrlKey || event.metaKey) return;
      const all = [...group.querySelectorAll("button")], at = all.indexOf(event.target), here = event.target.getBoundingClientRect();
      const rows = sign => all.filter(b => sign * (b.getBoundingClientRect().top - here.top) > 4);
      const nearest = sign => rows(sign).map(b => [Math.abs(b.getBoundingClientRect().top - here.top) * 1e4
        + Math.abs(b.getBoundingClientRect().left - here.left), b]).sort((a, b) => a[0] - b[0]).map(pair => pair[1])[0];
      const next = {ArrowRight: all[at + 1], ArrowLeft: all[at - 1], ArrowDown: nearest(1), ArrowUp: nearest(-1),
        Home: all[0], End: all[all.length - 1]};
      if (!(event.key in next)) return;
      event.preventDefault();
      if (next[event.key]) { event.target.tabIndex = -1; next[event.key].tabIndex = 0; next[event.key].focus(); }
    });

    // ---- The picture
    const stage = get("stage");
    function point(x, y) {
      const hits = shownTokens().filter(v => {
        const [x0, y0, x1, y1] = data.cells.slice(4 * v, 4 * v + 4);
        return x >= x0 && x < x1 && y >= y0 && y < y1;
      });
      const cell = hits.length ? hits[hits.length - 1] : -1;
      if (cell !== state.cell) { state.cell = cell; drawMap(); }
    }
    const follow = event => {
      const at = photograph.getBoundingClientRect();
      point((event.clientX - at.left) * data.size[0] / at.width, (event.clientY - at.top) * data.size[1] / at.height);
    };
    stage.addEventListener("pointermove", follow);
    stage.addEventListener("pointerdown", follow);
    stage.addEventListener("pointerleave", event => {
      if (event.pointerType === "mouse") { state.cell = -1; drawMap(); }
    });
    stage.addEventListener("keydown", event => {
      const step = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1]}[event.key];
      if (event.key === "Escape") { state.cell = -1; drawMap(); }
      if (!step) return;
      event.preventDefault();
      if (state.cell < 0) { state.cell = shownTokens()[0]; drawMap(); return; }
      const [x0, y0, x1, y1] = data.cells.slice(4 * state.cell, 4 * state.cell + 4), before = state.cell;
      point((x0 + x1) / 2 + step[0] * (x1 - x0), (y0 + y1) / 2 + step[1] * (y1 - y0));
      if (state.cell < 0) { state.cell = before; drawMap(); }
    });

    // ---- Beginning
    restore();
    document.documentElement.style.setProperty("--aspect", aspect);
    const tokens = get("tokens"), scale = get("scale"), part = get("part"), grey = get("grey"), outline = get("outline");
    addEventListener("hashchange", () => { restore(); tokens.checked = state.byToken; pick({}); });
    tokens.checked = state.byToken;
    get("part-option").hidden = data.parts.length < 2;
    outline.closest("label").hidden = data.object.length === 0;
    outline.checked = data.object.length > 0;
    tokens.addEventListener("change", () => pick({byToken: tokens.checked}));
    scale.addEventListener("change", () => pick({scale: scale.value}));
    part.addEventListener("change", () => { state.cell = -1; pick({part: Number(part.value)}); });
    grey.addEventListener("change", () => document.body.classList.toggle("grey", grey.checked));
    outline.addEventListener("change", drawMap);
    addEventListener("resize", drawMap);
    const begin = () => pick({});
    if (photograph.complete) begin(); else photograph.addEventListener("load", begin);
    """#
}
