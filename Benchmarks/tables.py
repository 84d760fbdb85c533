"""Results as rows, as a text table, and as README.md's."""
import math
from dataclasses import dataclass

import inputs
import machine
import work

BEGIN, END = "<!-- {name}: written by make bench -->", "<!-- {name}: end -->"
# Least ratios to the opponent, and least efficiencies.
SCORE_GOALS = {1: 1.5, 5: 7.0}
EFFICIENCY_GOAL, DECODING_GOAL = 0.8, 0.85
FIRST_GOAL, LATER_GOAL = 1.35, 5.0
MANY_GOAL, DATASET_GOAL, RANKS_GOAL = 6.0, 2.0, 1.9
PRECISIONS = ("f32", "bf16")


@dataclass
class Row:
    """One line: seconds of both sides; None is what wasn't measured."""
    name: str
    theirs: float | None
    who: str
    ours: float | None
    goal: float | None = None           # of theirs / ours
    floor: float | None = None          # seconds
    efficiency_goal: float | None = None
    memory: tuple | None = None         # bytes: theirs, ours
    floor_beside: float | None = None   # seconds, of the limits that were measured directly before and after

    @property
    def ratio(self):
        return self.theirs / self.ours if self.theirs and self.ours else None

    @property
    def efficiency(self):
        return self.floor / self.ours if self.floor and self.ours else None

    @property
    def efficiency_beside(self):
        return self.floor_beside / self.ours if self.floor_beside and self.ours else None


def value(results, name, field):
    """A field of a measurement's values; None where it wasn't measured or failed."""
    stored = results.get(name)
    return None if stored is None else stored["values"].get(field)


def fair(results, names, field="seconds"):
    """(the least seconds, the name) of several measurements of the opponent; (None, "not measured")."""
    found = [(seconds, name) for name in names if (seconds := value(results, name, field)) is not None]
    if found:
        return min(found)
    killed = [value(results, name, "memory") or 0 for name in names if value(results, name, "killed")]
    return None, (f"needs more than {max(killed) / 1e9:.0f} GB" if any(killed) else "needs more memory") if killed else "not measured"


def short(name):
    """The opponent's attention and type, the last words of a measurement's name; anything else as it is."""
    return " ".join(name.split()[-2:]) if name.startswith(("transformers ", "peft ")) else name


class Table:
    """All rows of one checkpoint's results.

    results: {measurement: what is stored}; checkpoint: work.Checkpoint; limits: {threads: {...}}.
    """

    def __init__(self, results, checkpoint, limits, threads, lowest):
        self.results, self.checkpoint, self.threads, self.lowest = results, checkpoint, threads, lowest
        self.limits = limits.get(threads)
        self.described = value(results, "basis", "described")
        self.pictured = value(results, "basis", "pictured")

    def beside(self, name):
        """The limits measured directly before and after a measurement; None where they were not."""
        stored = self.results.get(name, {})
        return machine.highest([stored["limits"], stored["limits_after"]]).get(self.threads) if "limits_after" in stored else None

    def floors(self, name, floor):
        """{floor, floor_beside} of a row, by a function of limits that gives seconds."""
        beside = self.beside(name)
        return {"floor": floor(self.limits), "floor_beside": floor(beside) if beside else None}

    def rows(self):
        if not self.limits:
            return []
        return [row for row in [*self.score(), *self.generate(), *self.train(), *self.ranks()] if row.ours]

    def score(self):
        one, name = fair(self.results, [f"transformers score eager {t}" for t in PRECISIONS])
        memory = value(self.results, name, "private_bytes")
        for captions in (1, 5):
            for precision in PRECISIONS:
                mine = f"score {captions} {precision}"
                yield Row(f"score, {'one description' if captions == 1 else 'five descriptions of one picture'}, {precision}",
                          None if one is None else captions * one, short(name), value(self.results, mine, "seconds"), SCORE_GOALS[captions],
                          efficiency_goal=EFFICIENCY_GOAL, memory=(memory, value(self.results, mine, "private_bytes")),
                          **self.floors(mine, lambda limits: self.score_floor(captions, precision, limits)))

    def score_floor(self, captions, precision, limits):
        if not self.described:
            return None
        first = self.described[0]
        operations = work.score_operations(self.checkpoint, first["pixels"], first["visual"], first["prefix"],
                                           [one["caption"] for one in self.described[:captions]])
        return operations / limits[precision]

    def generate(self):
        batches = {b["batch"]: b for b in value(self.results, "transformers generate f32", "batches") or []}
        for precision in PRECISIONS:
            alone, together = f"generate one {precision}", f"generate many {precision}"
            step, many = (value(self.results, name, "step") for name in (alone, together))
            yield Row(f"generate, a token, one picture at a time, {precision}", batches[1]["step"] if 1 in batches else None, "sdpa f32", step,
                      efficiency_goal=DECODING_GOAL, **self.floors(alone, lambda limits: self.step_floor(precision, limits, 1)))
            pictures = value(self.results, together, "batch") or 16
            yield Row(f"generate, a token, {pictures} pictures at a time against one, {precision}", step, f"headimpact {precision}",
                      many / pictures if many else None, MANY_GOAL, efficiency_goal=DECODING_GOAL,
                      **self.floors(together, lambda limits: self.step_floor(precision, limits, pictures)))
            whole, count, tokens = (value(self.results, together, field) for field in ("seconds", "pictures", "tokens"))
            best = min(((count or 16) / b["pictures"] * b["seconds"], b["batch"]) for b in batches.values()) if batches else (None, "")
            yield Row(f"generate, {count or 16} pictures of {self.picture_tokens()} visual tokens, {tokens} new ones each, whole run, {precision}",
                      best[0], f"sdpa f32, batch {best[1]}" if batches else "not measured", whole, DATASET_GOAL,
                      **self.floors(together, lambda limits: self.whole_floor(precision, limits)))

    def step_floor(self, precision, limits, batch):
        """Seconds of a token of each of so many texts."""
        return work.step_seconds(self.checkpoint, limits, precision, batch) / batch

    def whole_floor(self, precision, limits):
        many = self.results.get(f"generate many {precision}")
        if not many or not self.pictured:
            return None
        many, one = many["values"], self.pictured
        passes = many["pictures"] * work.prefill_operations(self.checkpoint, one["pixels"], one["visual"], one["question"])
        steps = -(-many["pictures"] // many["batch"]) * (many["tokens"] - 1)
        return passes / limits[precision] + steps * work.step_seconds(self.checkpoint, limits, precision, many["batch"])

    def picture_tokens(self):
        return self.pictured["visual"] if self.pictured else "?"

    def train(self):
        step, name = fair(self.results, [f"peft train {a} {t}" for a in ("sdpa", "eager") for t in PRECISIONS], "step")
        for precision in PRECISIONS:
            name_of_ours = f"train {precision}"
            for epoch, goal in (("first", FIRST_GOAL), ("later", LATER_GOAL)):
                yield Row(f"train, a step, {epoch} epoch{'s' * (epoch == 'later')}, {precision}", step, f"PEFT {short(name)}",
                          value(self.results, name_of_ours, epoch), goal, efficiency_goal=EFFICIENCY_GOAL,
                          **self.floors(name_of_ours, lambda limits: self.train_floor(epoch, precision, limits)))

    def train_floor(self, epoch, precision, limits):
        if not self.described:
            return None
        one = self.described[0]
        first, later = work.train_operations(self.checkpoint, one["pixels"], one["visual"], one["prefix"] + one["caption"] + 1,
                                             one["caption"] + 1, self.lowest)
        return {"first": first, "later": later}[epoch] / limits[precision]

    def ranks(self):
        for precision in PRECISIONS:
            yield Row(f"score, two ranks of one thread against one, {precision}", value(self.results, f"ranks {precision}", "one"),
                      "one rank", value(self.results, f"ranks {precision}", "two"), RANKS_GOAL)

    def notes(self):
        """What is no row: each in a sentence."""
        found = []
        for precision in PRECISIONS:
            if bound := value(self.results, f"transformers score sdpa {precision}", "seconds"):
                found.append(f"transformers without attention weights (sdpa, {precision}, no scores) takes {seconds(bound)}: the bound of what it could do.")
            if serial := value(self.results, f"generate serial {precision}", "seconds"):
                whole = value(self.results, f"generate many {precision}", "seconds")
                found.append(f"All pictures one at a time take {seconds(serial)} in {precision}"
                             + (f", {serial / whole:.2f} times as long as together." if whole else "."))
        if share := value(self.results, "train allreduce", "share"):
            found.append(f"On four ranks of one thread, {100 * share:.2f}% of a training step is in the allreduce (goal: under 1%).")
        return found


def seconds(number):
    """With three digits, in milliseconds below one; a dash for what there is not."""
    if number is None or math.isnan(number):
        return "–"
    value, unit = (number, "s") if number >= 1 else (1e3 * number, "ms")
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def ratio(number):
    return "–" if number is None else f"{number:.2f}"


def judged(number, goal):
    """A goal beside what was reached."""
    if goal is None:
        return ""
    if number is None:
        return f"{goal:g}"
    return f"{goal:g}" if number >= goal else f"{goal:g}, missed"


HEADING = ["", "opponent", "headimpact", "ratio", "goal", "floor", "efficiency", "goal", "with the limits beside it", "private MB"]


def theirs(row):
    return f"{seconds(row.theirs)} ({row.who})" if row.theirs else row.who


def ours(row):
    """With its precision."""
    return f"{seconds(row.ours)} ({row.name.split(', ')[-1]})"


def cells(row):
    memory = ", ".join("–" if b is None else f"{b / 1e6:.0f}" for b in row.memory) if row.memory else ""
    floor = ([seconds(row.floor), ratio(row.efficiency), judged(row.efficiency, row.efficiency_goal), ratio(row.efficiency_beside)]
             if row.floor else [""] * 4)
    return [row.name, theirs(row), seconds(row.ours), ratio(row.ratio),
            judged(row.ratio, row.goal), *floor, memory]


def text(rows):
    """Aligned columns for a terminal."""
    lines = [HEADING, *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADING))]
    return "\n".join("  ".join([line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]).rstrip() for line in lines)


def markdown(rows):
    lines = [HEADING, ["---"] * len(HEADING), *map(cells, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def limits_text(limits, threads):
    mine = limits[threads]
    return (f"{threads} thread{'s' * (threads > 1)}: multiply-adds {mine['f32'] / 1e9:.0f} GFLOP/s in f32, {mine['bf16'] / 1e9:.0f} in bf16; "
            f"memory {mine['bandwidth'] / 1e9:.1f} GB/s")


def conditions_text(results):
    """How many measurements were made on a quiet machine."""
    judged = [r["conditions"]["quiet"] for r in results.values() if "conditions" in r]
    if not judged:
        return ""
    loud = judged.count(False)
    return ("The machine was quiet during all measurements." if loud == 0
            else f"Other processes computed during {loud} of {len(judged)} measurements: the machine was not quiet.")


def conditions_of(tables, versions, processor, made):
    """What was measured, where and when. made: of which version."""
    results = {(i, name): r for i, table in enumerate(tables) for name, r in table.results.items()}
    threads = tables[0].threads
    limits = machine.highest([{threads: table.limits} for table in tables if table.limits])
    days = sorted(r["made"][:10] for r in results.values())
    when = "" if not days else f", {days[0]}" if days[0] == days[-1] else f", {days[0]} to {days[-1]}"
    return (f"Measured on {processor}, {limits_text(limits, threads)}; with torch {versions['torch']}, transformers {versions['transformers']} "
            f"and PEFT {versions['peft']}; {made}{when}. {conditions_text(results)}")


def bandwidths_text(table):
    """What memory gave while ours was measured, of the limits that stand beside it."""
    found = [beside["bandwidth"] for name in table.results if (beside := table.beside(name))]
    return f"The highest of each limit counts; memory gave {min(found) / 1e9:.0f} to {max(found) / 1e9:.0f} GB/s beside our measurements." if found else ""


def summary(table, versions, processor, made):
    """What stands below the table in README.md."""
    said = [conditions_of([table], versions, processor, made), bandwidths_text(table), *table.notes()]
    return "\n".join(filter(None, said))


FAMILIES_HEADING = ["", "one description: opponent, headimpact", "ratio", "five descriptions of one picture", "ratio", "efficiency", "private MB", "version"]


def families_rows(entries, version):
    """{family: cells} of {family: Table}; families without a description are left out."""
    found = {}
    for family, table in entries.items():
        rows = list(table.score())
        one, five = (min((r for r in rows[i:i + 2] if r.ours), key=lambda r: r.ours, default=None) for i in (0, 2))
        if one is None:
            continue
        found[family] = [
            family, f"{theirs(one)}, {ours(one)}", ratio(one.ratio), f"{theirs(five)}, {ours(five)}" if five else "–", ratio(five.ratio if five else None),
            ratio(one.efficiency), "–" if one.memory[1] is None else f"{one.memory[1] / 1e6:.0f}", version]
    return found


def families_markdown(rows):
    """A table of {family: cells}."""
    lines = [FAMILIES_HEADING, ["---"] * len(FAMILIES_HEADING), *(rows[family] for family in sorted(rows, key=inputs.FAMILIES.index))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def families_summary(entries, versions, processor, made):
    """What stands below it: where the rows of this version were measured."""
    return (f"{conditions_of(list(entries.values()), versions, processor, made)} Rows of another version were measured with that one, on "
            "another day and maybe another processor: compare within a row.")


def kept(text, name, version=None):
    """{family: cells} of the table between two markers, rows of which a new table of a version keeps. Raises ValueError where it has another form."""
    found = {}
    for line in between(text, name)[1].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or cells[0] not in inputs.FAMILIES:
            continue
        if len(cells) != len(FAMILIES_HEADING):
            raise ValueError(f"the row of {cells[0]} has {len(cells)} cells, not {len(FAMILIES_HEADING)}: remove it, or measure it anew")
        found[cells[0]] = [*cells[:-1], f"{version}, an earlier build"] if cells[-1] == version else cells
    return found


def between(text, name):
    """(what is before two markers, between them, behind them). Raises ValueError where they are not there once each, in order."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the text needs the lines {begin} and {end}, once each and in this order")
    head, rest = text.split(begin)
    return head, *rest.split(end)


def replaced(text, name, content):
    """A text whose part between two markers is `content`."""
    head, _, tail = between(text, name)
    return f"{head}{BEGIN.format(name=name)}\n{content}\n{END.format(name=name)}{tail}"
