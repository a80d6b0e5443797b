"""What importing the operators adds to importing the amazon provider's ``batch`` operators, which every DAG that uses
AWS pays for anyway. The aim is less than 50 ms.

Run it in an environment with the package: ``python benchmarks/import_time.py``.

On 2 quiet cores, Python 3.12, Airflow 3.3.2, amazon provider 9.39.0: 17 to 20 ms on top of 1450 to 1690 ms; while other
processes kept both cores busy, up to 43 ms on top of 4500 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

RUNS = 11
PROGRAM = """
import time
begin = time.perf_counter()
import airflow.providers.amazon.aws.operators.batch
between = time.perf_counter()
import airflow_provider_omics.operators.run
end = time.perf_counter()
print((between - begin) * 1000, (end - between) * 1000)
"""


def main() -> None:
    """Import in fresh processes and print the medians."""
    measured = [_measure() for _ in range(RUNS + 1)][1:]
    amazon, ours = (statistics.median(column) for column in zip(*measured, strict=True))
    print(f"airflow.providers.amazon.aws.operators.batch  {amazon:8.1f} ms")
    print(f"airflow_provider_omics.operators.run adds     {ours:8.1f} ms")
    print(f"medians of {RUNS} fresh processes; most that was added: {max(added for _, added in measured):.1f} ms")


def _measure() -> tuple[float, float]:
    printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    amazon, ours = printed.split()[-2:]
    return float(amazon), float(ours)


if __name__ == "__main__":
    main()
