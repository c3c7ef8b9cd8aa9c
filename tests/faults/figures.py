"""What a fault run measured: a JSON line each in `reports/faults.ndjson`, and the table of the last runs.

python -m tests.faults.figures
"""

import json

from tests.support import ROOT

FILE = ROOT / "reports" / "faults.ndjson"
NAMES = ("fault", "repetitions", "records", "lost", "twice", "recovery_s")


def record(fault, *, repetitions, records, lost=0, twice=0, recovery_s=None, **extra):
    """Append the figures of a run that went well.

    `twice` counts records that stand in the topic of ticks more than once, `recovery_s` is the longest of them.
    """
    figures = {
        "fault": fault,
        "repetitions": repetitions,
        "records": records,
        "lost": lost,
        "twice": twice,
        "recovery_s": None if recovery_s is None else round(recovery_s, 2),
        **extra,
    }
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("a", encoding="utf-8") as sink:
        sink.write(json.dumps(figures) + "\n")


def table(text):
    """The last run of each fault and number of repetitions, as aligned lines."""
    runs = [json.loads(line) for line in text.splitlines()]
    last = {(run["fault"], run["repetitions"]): run for run in runs}
    rows = [(*NAMES, "also")]
    for key in sorted(last):
        run = last[key]
        extra = ", ".join(f"{name} {value}" for name, value in run.items() if name not in NAMES)
        cells = ["-" if run[name] is None else run[name] for name in NAMES]
        rows.append((*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells), extra))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


if __name__ == "__main__":
    print("\n".join(table(FILE.read_text(encoding="utf-8") if FILE.exists() else "")))
