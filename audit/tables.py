#!/usr/bin/env python3
"""Prints the tables of docs/src/audit.md from reports of `miden-cvm audit --json`, which it sums up.

    miden-cvm audit <target> -n 20000 --seed 1 --json > report.json     (for each target)
    audit/tables.py report.json ...
"""

import json
import re
import sys
from collections import Counter


def family(column):
    """Columns that are members of one family or of one struct are counted together."""
    name = re.sub(r"\[\d+\]", "", column)
    return ".".join(name.split(".")[:2])


def table(heading, reports, key, group):
    rejected, harmless, survived = Counter(), Counter(), Counter()
    for report in reports:
        for name, counts in report[key].items():
            rejected[group(name)] += counts["rejected"]
            harmless[group(name)] += counts["harmless"]
            survived[group(name)] += counts["survived"]
    print(f"| {heading} | rejected | harmless |\n| --- | --- | --- |")
    for name in sorted(rejected | harmless | survived | Counter(dict.fromkeys(rejected, 1))):
        assert survived[name] == 0, name
        shown = name if " " in name else f"`{name}`"
        print(f"| {shown} | {rejected[name]:,} | {harmless[name]:,} |")
    print()


def main():
    reports = [json.load(open(path)) for path in sys.argv[1:]]
    for path, report in zip(sys.argv[1:], reports):
        print(f"{path}: {report['rows']} rows, {report['mutations']} changes, seed {report['seed']},",
              f"{len(report['survivors'])} survivors")
    print()
    table("change", reports, "kinds", lambda name: name)
    reasons = Counter()
    for report in reports:
        reasons.update(report["harmless"])
    print("| reason | changes |\n| --- | --- |")
    for reason, count in reasons.most_common():
        print(f"| {reason} | {count:,} |")
    print()
    table("column of the trace", reports, "columns", family)


if __name__ == "__main__":
    main()
