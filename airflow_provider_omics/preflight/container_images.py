"""Container images that a definition names in plain text, as far as that can be read without its engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.run_settings.definition_types import read_files
from airflow_provider_omics.healthomics.run_settings.groovy_text import GroovyText

MOST_IMAGES = 200
"""Most images that are checked."""
_READ_SUFFIXES = (".wdl", ".cwl", ".nf", ".config", ".json", ".yml", ".yaml")
_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[A-Za-z0-9_][\w.-]{0,127}))?"
    # What goes on is put together while it runs, and no name yet.
    r"(?![\w./:@~${+-]|[\"']?\s*\+)",
    re.ASCII,
)
# A comment of WDL, or of CWL, and text in quotation marks, which may hold what begins one; in a command of WDL "$#" and
# "${#x}" begin none.
_WDL_COMMENT = re.compile(r"""(?<![\w\\])(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<comment>(?<![${])#.*)""")
_YAML_COMMENT = re.compile(
    r"""(?<![\w\\])(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*')|(?P<comment>(?:^|(?<=[ \t]))#.*)""", re.MULTILINE
)
# What WDL, CWL and Nextflow have before a literal name; one with a placeholder is not a literal.
_NAMED = re.compile(
    r"\b(?:docker|container|dockerPull|dockerImageId)[\"']?\s*[:=]?\s*(?P<quote>[\"']?)"
    r"(?P<name>[a-z0-9][\w./:@-]*[\w])(?P=quote)(?=[\s,}\]]|$)(?!\s*\+)",
    re.ASCII,
)


@dataclass(frozen=True, order=True)
class EcrImage:
    """Image in a private registry of ECR.

    :param tag: ``latest`` where neither a tag nor a digest is given.
    """

    account: str
    region: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def found_in(cls, text: str, *, untagged: bool = False) -> Iterator[EcrImage]:
        """Yield the images that a text names.

        :param untagged: whether a name without tag and digest is one; it may also be what names begin with.
        """
        for match in _ECR.finditer(text):
            if untagged or match["tag"] or match["digest"]:
                tag = match["tag"] or (None if match["digest"] else "latest")
                yield cls(match["account"], match["region"], match["repository"], tag, match["digest"])

    @property
    def identifier(self) -> dict[str, str]:
        """Its tag or digest, as ECR's calls have it."""
        return {"imageDigest": self.digest} if self.digest is not None else {"imageTag": self.tag or "latest"}

    def __str__(self) -> str:
        end = f"@{self.digest}" if self.digest is not None else f":{self.tag}"
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{self.repository}{end}"


@dataclass(frozen=True)
class NamedImages:
    """The images of a workflow.

    :param ecr: those in ECR.
    :param others: names of images elsewhere that no container registry map leads to ECR.
    :param certain: those in ECR that tasks or parameters name; the others are mentioned somewhere.
    :param pulled_through: those in ECR that the first pull brings there, by the container registry map.
    """

    ecr: tuple[EcrImage, ...]
    others: tuple[str, ...]
    certain: frozenset[EcrImage] = frozenset()
    pulled_through: frozenset[EcrImage] = frozenset()


def named_images(
    files: Mapping[str, str], registry_map: Mapping[str, Any], account: str, region: str, parameters: str = ""
) -> NamedImages:
    """Return the images that files name, each once; not those in comments of WDL, CWL and Nextflow.

    :param files: texts of a definition, by their paths.
    :param registry_map: the workflow's ``containerRegistryMap``.
    :param account: account id of the registry where the map names none.
    :param region: AWS Region of the registry that the map leads to.
    :param parameters: the parameters, as JSON.
    """
    mentioned: set[EcrImage] = set()
    certain = set(EcrImage.found_in(parameters))
    others: set[str] = set()
    for text in (*(_without_comments(path, text) for path, text in files.items()), parameters):
        mentioned.update(EcrImage.found_in(text))
        for match in _NAMED.finditer(text):
            name = match["name"]
            if _ECR.fullmatch(name):
                certain.update(EcrImage.found_in(name, untagged=True))
            elif _is_image(name):
                mapped = _mapped(name, registry_map, account, region)
                if mapped is None:
                    others.add(name)
                else:
                    certain.update(EcrImage.found_in(mapped, untagged=True))
    ecr = mentioned | certain
    pulled = frozenset(image for image in ecr if _is_pulled_through(image, registry_map))
    return NamedImages(tuple(sorted(ecr, key=str)), tuple(sorted(others)), frozenset(certain), pulled)


def texts_in(archive: bytes) -> dict[str, str]:
    """Return the files of a zipped definition that may name images, by their paths.

    :raises DefinitionUnreadableError: it is no archive, or too large.
    """
    files = read_files(archive, _READ_SUFFIXES)
    return {path: content.decode("utf-8", "replace") for path, content in files.items()}


def _without_comments(path: str, text: str) -> str:
    if path.endswith((".nf", ".config")):
        return GroovyText(text).without_comments()
    comment = _WDL_COMMENT if path.endswith(".wdl") else _YAML_COMMENT
    return comment.sub(lambda found: "" if found["comment"] else found.group(), text)


def _is_image(name: str) -> bool:
    # A word alone is mostly a variable, or a profile of Nextflow.
    return "/" in name or ":" in name


def _is_pulled_through(image: EcrImage, registry_map: Mapping[str, Any]) -> bool:
    prefixes = (one.get("ecrRepositoryPrefix") for one in registry_map.get("registryMappings") or ())
    return any(prefix and image.repository.startswith(f"{prefix}/") for prefix in prefixes)


def _mapped(name: str, registry_map: Mapping[str, Any], account: str, region: str) -> str | None:
    for image in registry_map.get("imageMappings") or ():
        if name == image.get("sourceImage"):
            return str(image.get("destinationImage"))
    for registry in registry_map.get("registryMappings") or ():
        upstream = "/".join(
            filter(None, (registry.get("upstreamRegistryUrl"), registry.get("upstreamRepositoryPrefix")))
        )
        if upstream and name.startswith(f"{upstream}/"):
            owner = registry.get("ecrAccountId") or account
            place = "/".join(filter(None, (registry.get("ecrRepositoryPrefix"), name.removeprefix(f"{upstream}/"))))
            return f"{owner}.dkr.ecr.{region}.amazonaws.com/{place}"
    return None
