"""Has the kernel keep a process, and all that it starts, from changing files outside of one folder (Landlock).

A tool is any command, with all that its user may do. Checks of names cannot keep it anywhere; the kernel can, without
privileges, since Linux 5.13. Where it cannot, runs are carried out all the same, and the log says so.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The same numbers on every architecture that Python runs on, but for Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2

_WRITE_FILE = 1 << 1
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
_MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14

_DEVICES = _MAKE_CHAR | _MAKE_BLOCK
_SINCE_FIRST = (
    _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SOCK | _MAKE_FIFO | _MAKE_SYM | _DEVICES
)
_SINCE_VERSION: Mapping[int, int] = {1: _SINCE_FIRST, 2: _REFER, 3: _TRUNCATE}
_VERSION_WITH_SCOPES = 6

# Every program writes to some of these; nothing is kept there.
_SINKS = ("/dev/null", "/dev/zero", "/dev/full")


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneathAttributes(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


@cache
def landlock_version() -> int:
    """Return the version of the kernel's Landlock interface; 0 where there is none, or it is switched off."""
    if sys.platform != "linux":
        return 0
    with suppress(OSError):
        return _syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    return 0


def confine_writes(folder: Path) -> bool:
    """Keep this process and all that it will start from changing files outside of a folder, for good.

    Making, writing, renaming, linking, truncating and removing are refused everywhere else, and making devices
    everywhere; so are signals to processes that were there before (Linux 6.12). Reading stays as it was, and so do
    the permissions, times and attributes of files elsewhere, which Landlock knows nothing of.

    :param folder: directory below which everything but devices may be made and changed; must exist.
    :return: whether the kernel does that; nothing has changed otherwise.
    :raises OSError: the kernel has Landlock and refuses.
    """
    version = landlock_version()
    if version == 0:
        return False
    handled = 0
    for since, rights in _SINCE_VERSION.items():
        handled |= rights if version >= since else 0
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= _VERSION_WITH_SCOPES else 0
    attributes = _RulesetAttributes(handled, 0, scoped)
    ruleset = _syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    try:
        _allow(ruleset, [folder], handled & ~_DEVICES)
        _allow(ruleset, [sink for sink in _SINKS if Path(sink).exists()], handled & (_WRITE_FILE | _TRUNCATE))
        checked(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, paths: Iterable[Path | str], rights: int) -> None:
    for path in paths:
        with _opened(path) as descriptor:
            rule = _PathBeneathAttributes(rights, descriptor)
            _syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)


@contextmanager
def _opened(path: Path | str) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _syscall(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return checked(library.syscall(ctypes.c_long(number), *arguments))


def checked(result: int) -> int:
    """Return what a system call returned.

    :raises OSError: it failed; the library has to be loaded with ``use_errno``.
    """
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
