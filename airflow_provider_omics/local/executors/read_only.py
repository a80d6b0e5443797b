"""Gives a process its own look at the file systems, in which all but one folder is read-only (mount namespaces).

It covers what Landlock knows nothing of: permissions, owners, times and extended attributes. It needs unprivileged
user namespaces, which not every system has; where they are missing, nothing changes.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from airflow_provider_omics.local.executors.sandbox import checked

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY = 1
_CAP_SYS_ADMIN = 21
_CAPABILITIES_OF_64_BITS = 0x20080522
_PR_CAPBSET_DROP = 24
_ALL_IDS = 2**32 - 1


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def make_read_only(folder: Path) -> bool:
    """Make all file systems read-only for this process and all that it will start, but for one folder.

    The process must have one thread. Processes that run already see nothing of it.

    :param folder: directory below which files stay as they are; must exist, without links in its path.
    :return: whether the system allows that; nothing has changed otherwise.
    :raises OSError: it allowed it before, and does not now.
    """
    if not namespaces_allowed():
        return False
    _isolate(folder)
    return True


@cache
def namespaces_allowed() -> bool:
    """Whether :func:`make_read_only` works here; tried once, in a process of its own, as half of it stays done."""
    if sys.platform != "linux":
        return False
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            _isolate(Path.cwd())
            status = 0
        os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _isolate(folder: Path) -> None:
    user, group = os.geteuid(), os.getegid()
    library = ctypes.CDLL(None, use_errno=True)
    with _ids_mapped(user, group):
        checked(library.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
    checked(library.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    path = os.fsencode(folder)
    checked(library.mount(path, path, None, ctypes.c_ulong(_MS_BIND | _MS_REC), None))
    _set_attributes(library, b"/", _AT_RECURSIVE, _MountAttributes(attr_set=_MOUNT_ATTR_RDONLY))
    _set_attributes(library, path, 0, _MountAttributes(attr_clr=_MOUNT_ATTR_RDONLY))
    os.chdir(folder)
    _drop_administration(library)


@contextmanager
def _ids_mapped(user: int, group: int) -> Iterator[None]:
    """Have the user namespace that is made within know the ids of all users, where this is root, or else one's own."""
    if user != 0:
        yield
        _map_own_ids(user, group)
        return
    # Root's archives have files of others, and only a process that stays outside may map their ids.
    reader, writer = os.pipe()
    outside = os.fork()
    if outside == 0:
        os.close(writer)
        _map_all_ids(reader, os.getppid())
    os.close(reader)
    try:
        yield
    finally:
        os.close(writer)
        status = os.waitpid(outside, 0)[1]
    if status != 0:
        _map_own_ids(user, group)


def _map_all_ids(reader: int, process: int) -> None:
    status = 1
    with suppress(BaseException):
        os.read(reader, 1)
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{process}/{kind}").write_text(f"0 0 {_ALL_IDS}")
        status = 0
    os._exit(status)


def _map_own_ids(user: int, group: int) -> None:
    own = Path("/proc/self")
    own.joinpath("setgroups").write_text("deny")
    own.joinpath("uid_map").write_text(f"{user} {user} 1")
    own.joinpath("gid_map").write_text(f"{group} {group} 1")


def _set_attributes(library: ctypes.CDLL, path: bytes, flags: int, attributes: _MountAttributes) -> None:
    library.syscall.restype = ctypes.c_long
    size = ctypes.sizeof(attributes)
    checked(
        library.syscall(
            ctypes.c_long(_MOUNT_SETATTR),
            ctypes.c_int(_AT_FDCWD),
            path,
            ctypes.c_uint(flags),
            ctypes.byref(attributes),
            ctypes.c_size_t(size),
        )
    )


def _drop_administration(library: ctypes.CDLL) -> None:
    """Give up the capability by which all this could be undone."""
    header, data = _CapabilityHeader(_CAPABILITIES_OF_64_BITS, 0), (_CapabilityData * 2)()
    checked(library.capget(ctypes.byref(header), data))
    for name in ("effective", "permitted", "inheritable"):
        setattr(data[0], name, getattr(data[0], name) & ~(1 << _CAP_SYS_ADMIN))
    checked(library.prctl(_PR_CAPBSET_DROP, _CAP_SYS_ADMIN, 0, 0, 0))
    checked(library.capset(ctypes.byref(header), data))
