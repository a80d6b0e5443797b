#!/usr/bin/env python3
"""Combine the counts of a sample's FASTQ files into its QC figures: a JSON file and a text report."""

from __future__ import annotations

import json
import sys
from pathlib import Path

REPORT = """Read QC of {sample}
files         {files}
reads         {reads}
bases         {bases}
mean quality  {mean_quality:.2f}
GC            {gc_share:.2%}
>= Q30        {q30_share:.2%}
"""


def figures(sample, mates):
    """Return the figures; shares and the mean are over all bases of all files, N included."""
    total = {name: sum(mate[name] for mate in mates) for name in mates[0] if name != "file"}
    bases = total["bases"]
    return {
        "sample": sample,
        "files": [mate["file"] for mate in mates],
        "reads": total["reads"],
        "bases": bases,
        "mean_quality": share(total["quality_sum"], bases),
        "gc_share": share(total["gc_bases"], bases),
        "q30_share": share(total["q30_bases"], bases),
    }


def share(part, whole):
    return round(part / whole, 6) if whole else 0.0


def main(sample, paths):
    if not sample or Path(sample).name != sample or sample.startswith("."):
        return f"{sample!r} cannot be a sample name: it names the output files"
    mates = [json.loads(Path(path).read_text()) for path in paths]
    if len({mate["reads"] for mate in mates}) > 1:
        counted = ", ".join(f"{mate['file']} has {mate['reads']} reads" for mate in mates)
        return f"{sample}: the files are not mates of each other: {counted}"
    result = figures(sample, mates)
    Path(f"{sample}.qc.json").write_text(json.dumps(result, indent=2) + "\n")
    Path(f"{sample}.qc.txt").write_text(REPORT.format(**{**result, "files": " ".join(result["files"])}))
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: combine.py sample counts.json [counts.json]")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
