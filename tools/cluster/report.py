"""What the trials showed: a line for each as it ends, and a table."""

import collections
import threading
from collections.abc import Iterable
from pathlib import Path

from trial import Outcome

COLUMNS = ("tried", "hung", "lost", "wrong", "message", "left", "error")


class Report:
    """Collects outcomes; writes the failing ones whole into a file."""

    def __init__(self, path: Path):
        self.path, self.outcomes, self.lock = path, list[Outcome](), threading.Lock()

    def add(self, outcome: Outcome) -> None:
        with self.lock:
            self.outcomes.append(outcome)
            mark = "" if outcome.verdict == "ok" else "".join(f"\n      {verdict}: {reason}" for verdict, reason in outcome.failures)
            at = f" at {outcome.moment:.2f} s" if outcome.moment else ""
            print(f"{len(self.outcomes):4} {outcome.verdict:8}{outcome.fault} {outcome.verb} {outcome.seed}{at}: {outcome.note}; "
                  f"code {outcome.code} after {outcome.seconds:.1f} s{mark}", flush=True)
            if outcome.verdict != "ok":
                with open(self.path, "a") as file:
                    file.write(f"=== {outcome.fault} {outcome.verb} {outcome.seed}: {outcome.verdict}{mark}\n{outcome.command}\n{outcome.log}\n")

    def table(self) -> str:
        """A line per kind and fault, and the sum."""
        groups: dict[tuple[str, str], list[Outcome]] = collections.defaultdict(list)
        for outcome in self.outcomes:
            groups[outcome.kind, outcome.fault].append(outcome)
        lines = [f"{'fault':<44}" + "".join(f"{name:>9}" for name in COLUMNS)]
        lines += [f"{kind + ': ' + name:<44}" + _counts(found) for (kind, name), found in sorted(groups.items())]
        return "\n".join([*lines, f"{'all':<44}" + _counts(self.outcomes)])

    def sentence(self) -> str:
        numbers = counts(self.outcomes)
        return ", ".join(f"{name} {numbers[name]}" for name in COLUMNS)

    @property
    def failed(self) -> bool:
        return any(outcome.verdict != "ok" for outcome in self.outcomes)


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Trials by what failed in them; one that failed in two ways counts in both."""
    found = collections.Counter({"tried": 0})
    for outcome in outcomes:
        found["tried"] += 1
        found.update({verdict for verdict, _ in outcome.failures})
    return {name: found[name] for name in COLUMNS}


def _counts(outcomes: Iterable[Outcome]) -> str:
    return "".join(f"{number:>9}" for number in counts(outcomes).values())

