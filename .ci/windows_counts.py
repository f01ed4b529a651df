"""Adds up pytest's results (JUnit XML) that lie in a folder: passed, failed, and what was skipped and why."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def main(folder: Path) -> None:
    """Print a line for each run and one for all, then the reasons."""
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for path in sorted(folder.glob("*.xml")):
        counts: Counter[str] = Counter()
        seconds = 0.0
        for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314 - pytest wrote it
            seconds += float(case.get("time", 0))
            skipped = case.find("skipped")
            if skipped is not None:
                counts["skipped"] += 1
                reasons[skipped.get("message", "")] += 1
            else:
                failed = case.find("failure") is not None or case.find("error") is not None
                counts["failed" if failed else "passed"] += 1
        print(f"  {path.stem:<12} {_shown(counts)}, {seconds:.0f} s")
        total += counts
    print(f"  {'all':<12} {_shown(total)}")
    for reason, count in reasons.most_common():
        print(f"  skipped {count:>4}: {reason}")


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
