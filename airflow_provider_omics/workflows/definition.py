"""What the files of a definition say: which engine, which main file; by the rules of HealthOmics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError
from airflow_provider_omics.workflows.nextflow_sources import script_text

ENGINES = {".wdl": "WDL", ".nf": "NEXTFLOW", ".cwl": "CWL"}
"""Engines by the suffix of their files."""
ENGINE_NAMES = ("WDL", "WDL_LENIENT", "NEXTFLOW", "CWL")
"""What can be given as engine."""
MOST_README_BYTES = 500 << 10
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z")


@dataclass(frozen=True)
class Definition:
    """A definition of which engine and main file are known.

    :param engine: ``WDL``, ``WDL_LENIENT``, ``CWL`` or ``NEXTFLOW``.
    :param main: path of the main file; of CWL it may end in ``#`` and the id of a process.
    """

    bundle: Bundle
    engine: str
    main: str

    @property
    def language(self) -> str:
        """What it is written in: ``WDL``, ``CWL`` or ``NEXTFLOW``."""
        return self.engine.removesuffix("_LENIENT")

    @property
    def file(self) -> str:
        """Path of the main file, without the id of a process."""
        return _file_of(self.main)


def read_definition(bundle: Bundle, engine: str | None, main: str | None) -> Definition:
    """Find engine and main file as the service does.

    Without ``main``, the definition files nearest to the root count, hidden ones aside: the only one, or the one that
    is named main.

    :param engine: the one that was given; None for the one whose files there are.
    :param main: the path that was given; None for the service's choice.
    :raises DefinitionError: one of them cannot be found, or cannot be used.
    """
    if main is not None:
        main = _given_main(bundle, engine, main)
    engine = engine or (_engine_of(main) if main else None) or _only_engine(bundle)
    found = Definition(bundle, engine, main or _found_main(bundle, engine))
    read = script_text if found.engine == "NEXTFLOW" else Bundle.text
    if not read(bundle, found.file).strip():
        raise DefinitionError(f"{found.file}:1", "is empty", "Write the workflow into it, or give another main")
    return found


def readme_issues(bundle: Bundle, readme_path: str | None) -> Iterator[Issue]:
    """Yield what is wrong with the README that a definition brings along."""
    if readme_path is not None and readme_path not in bundle.files:
        yield _missing("readme_path", "README", readme_path, bundle)
        return
    path = readme_path or "README.md"
    size = len(bundle.files[path].content) if path in bundle.files else 0
    if size > MOST_README_BYTES:
        what = f"takes {size:,} bytes, more than {MOST_README_BYTES:,} of a README"
        yield Issue(path, what, "Shorten it, and link to the rest")


def template_path_issues(bundle: Bundle, path: str | None) -> Iterator[Issue]:
    """Yield what is wrong with the path of a parameter template in a definition."""
    if path is not None and path not in bundle.files:
        yield _missing("parameter_template_path", "parameter template", path, bundle)


def _given_main(bundle: Bundle, engine: str | None, main: str) -> str:
    if _file_of(main) not in bundle.files:
        raise_of(_missing("main", "main file", main, bundle))
    suffix = PurePosixPath(_file_of(main)).suffix
    if engine is not None and _engine_of(main) != engine.removesuffix("_LENIENT"):
        wanted = suffix_of(engine)
        what = f"is no main file of the engine {engine}, whose files end in {wanted}"
        raise DefinitionError(main, what, f"Give a {wanted} file, or the engine of {suffix or 'this'} files")
    if _engine_of(main) is None:
        what = f"is of no engine that HealthOmics has ({', '.join(ENGINES)})"
        fix = _instead([_file_of(main)], tuple(ENGINES), "Give the path of the workflow's own file")
        raise DefinitionError(main, what, fix)
    return main


def raise_of(issue: Issue) -> None:
    """Raise an issue as the error of a definition."""
    raise DefinitionError(issue.where, issue.what, issue.fix)


def _missing(where: str, what: str, path: str, bundle: Bundle) -> Issue:
    name = PurePosixPath(path.replace("\\", "/")).name
    like = (
        get_close_matches(path, bundle.files, n=1)
        or [each for each in bundle.files if PurePosixPath(each).name == name]
        or [each for each in bundle.files if each.startswith(f"{path}/") and where == "main" and _engine_of(each)]
        or [each for each in bundle.files if each.startswith(f"{path}/")]
    )
    meant = f"Give {like[0]}" if like else "Give its path from the root of the definition"
    return Issue(where, f"the {what} {path!r} is not in {bundle.origin}", meant)


def _file_of(main: str) -> str:
    file, _, process = main.partition(".cwl#")
    return f"{file}.cwl" if process else main


def _engine_of(path: str) -> str | None:
    return ENGINES.get(PurePosixPath(_file_of(path)).suffix)


def _only_engine(bundle: Bundle) -> str:
    engines = engines_of(bundle.files)
    if not engines:
        what = f"holds no {', '.join(ENGINES)} file"
        raise DefinitionError(bundle.origin, what, _instead(bundle.files, tuple(ENGINES)))
    if len(engines) > 1:
        what = f"holds files of more than one engine ({', '.join(sorted(engines))})"
        raise DefinitionError(bundle.origin, what, "Give the engine, or main")
    return engines.pop()


def _instead(
    paths: Iterable[str],
    suffixes: tuple[str, ...],
    otherwise: str = "Give the folder that holds the workflow's definition",
) -> str:
    """Return what to do about a definition without a file that ends in one of some ways."""
    for path in sorted(paths):
        if path.lower().endswith(suffixes):
            stem, dot, suffix = path.rpartition(".")
            return f"Rename {path} to {stem}{dot}{suffix.lower()}"
        if path.lower().endswith(_PACKED):
            return f"Give {path} itself if it is a zip archive with the definition, or else unpack it first"
    return otherwise


def engines_of(paths: Iterable[str]) -> set[str]:
    """Return the engines whose files there are among these paths, hidden files aside."""
    suffixes = {PurePosixPath(path).suffix for path in paths if not _is_hidden(path)}
    return {ENGINES[suffix] for suffix in suffixes & ENGINES.keys()}


def suffix_of(engine: str) -> str:
    """Return what the files of an engine end in, such as ``.wdl``."""
    return next(suffix for suffix, name in ENGINES.items() if engine.startswith(name))


def main_candidates(paths: Iterable[str], suffix: str) -> list[str]:
    """Return which files may be the main one where none is named: exactly one if it can be told.

    They are those nearest to the root, hidden ones aside, and of these the one that is named main.

    :param paths: paths of all files, with slashes.
    :param suffix: of the engine's files, such as ``.wdl``.
    """
    found = sorted(path for path in paths if path.endswith(suffix) and not _is_hidden(path))
    level = min(map(_depth, found), default=0)
    nearest = [path for path in found if _depth(path) == level]
    named = [path for path in nearest if PurePosixPath(path).stem == "main"]
    return named if len(named) == 1 else nearest


def _found_main(bundle: Bundle, engine: str) -> str:
    suffix = suffix_of(engine)
    nearest = main_candidates(bundle.files, suffix)
    if not nearest:
        what, others = f"holds no {suffix} file for the engine {engine}", sorted(engines_of(bundle.files))
        known = f"Give the engine of its files ({', '.join(others)}), or the folder that holds {suffix} files"
        raise DefinitionError(bundle.origin, what, known if others else _instead(bundle.files, (suffix,)))
    if len(nearest) == 1:
        return nearest[0]
    shown = ", ".join(nearest[:5])
    what = f"has {len(nearest)} files that may be the main one ({shown}), and not exactly one is named main{suffix}"
    raise DefinitionError(bundle.origin, what, "Give main, the path of the main file")


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _depth(path: str) -> int:
    return path.count("/")
