"""The instance types that HealthOmics has for tasks, and the smallest one that is enough."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class Instance(NamedTuple):
    """One instance type: what it has, memory in GiB."""

    name: str
    cpus: int
    memory: int
    gpus: int = 0


_CPUS = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "4xlarge": 16,
    "8xlarge": 32,
    "12xlarge": 48,
    "16xlarge": 64,
    "24xlarge": 96,
    "32xlarge": 128,
    "48xlarge": 192,
}
_GIB_PER_CPU = {"c": 2, "m": 4, "r": 8}
_GPUS = {
    "xlarge": 1,
    "2xlarge": 1,
    "4xlarge": 1,
    "8xlarge": 1,
    "12xlarge": 4,
    "16xlarge": 1,
    "24xlarge": 4,
    "48xlarge": 8,
}
_GPU_GIB_PER_CPU = 4


@cache
def smallest_instance(cpus: float, memory: float, gpus: int = 0) -> str:
    """Return the name of the smallest instance type that has what a task asks for, or else of the largest there is.

    :param cpus: vCPUs.
    :param memory: GiB.
    """
    enough = [
        each for each in _instances(gpus > 0) if each.cpus >= cpus and each.memory >= memory and each.gpus >= gpus
    ]
    return min(enough, key=_size, default=max(_instances(gpus > 0), key=_size)).name


@cache
def _instances(with_gpus: bool) -> tuple[Instance, ...]:
    if with_gpus:
        return tuple(
            Instance(f"omics.g5.{size}", _CPUS[size], _CPUS[size] * _GPU_GIB_PER_CPU, gpus)
            for size, gpus in _GPUS.items()
        )
    return tuple(
        Instance(f"omics.{family}.{size}", cpus, cpus * gib)
        for size, cpus in _CPUS.items()
        for family, gib in _GIB_PER_CPU.items()
    )


def _size(instance: Instance) -> tuple[int, int]:
    # Fewer CPUs first, since they cost the most, as AWS's own run analyzer chooses.
    return instance.cpus, instance.memory
