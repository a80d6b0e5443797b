"""Confines a process that only reads a definition, which is somebody's code and of any size."""

from __future__ import annotations

import resource
import sys
from typing import Any

_MOST_GIB = 4
_NETWORK_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")

OUT_OF_MEMORY = f"The definition takes more than {_MOST_GIB} GiB of memory to read"
"""What there is to say when a confined process has a ``MemoryError``."""
TOO_DEEP = "What the run has made is nested too deeply to be read; have fewer folders, or lists, within each other"
"""What there is to say when a run has a ``RecursionError``."""


def confine() -> None:
    """Keep this process from the network for good and, where the system can do that, below 4 GiB of memory."""
    if sys.platform == "linux":
        # Not the address space, of which programs such as node reserve far more than they use.
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_GIB << 30, _MOST_GIB << 30))
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _NETWORK_EVENTS:
        raise PermissionError("a definition is read without the network; put what it needs into the archive")
