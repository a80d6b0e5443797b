"""Broken scripts and configurations of Nextflow, and right ones that look odd: these must not be refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.workflows.bundle import Bundle, BundleFile
from airflow_provider_omics.workflows.nextflow_sources import source_issues

NF = "workflow { }\n"
Files = Mapping[str, str | bytes]


def told(files: Files) -> list[str]:
    """What is said of a pipeline."""
    contents = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    bundle = Bundle("flow", {path: BundleFile(content) for path, content in contents.items()})
    return [str(issue) for issue in source_issues(bundle, "main.nf")]


BROKEN: dict[str, tuple[Files, str]] = {
    "brace": (
        {"main.nf": "process A {\n  script:\n  '''\n  echo }\n  '''\n\nworkflow { A() }\n"},
        "main.nf:1:11: { is never closed. Close it, or remove the {.",
    ),
    "brace too many": ({"main.nf": "workflow {\n}\n}\n"}, "main.nf:3:1: } closes nothing. Remove it"),
    "bracket": (
        {"main.nf": "workflow {\n  foo(1\n}\n"},
        "main.nf:3:1: } is where the ( of main.nf:2:6 is not closed yet. Close that ( first.",
    ),
    "quotation marks": (
        {"main.nf": 'process A {\n  script:\n  """\n  echo\n}\n'},
        'main.nf:3:3: the text after """ is never closed. Close it with """.',
    ),
    "comment": (
        {"main.nf": f"{NF}/* more\n"},
        "main.nf:2:1: the comment is never closed. Close it with */",
    ),
    "merge": (
        {"main.nf": "<<<<<<< HEAD\nworkflow { }\n=======\nworkflow { x() }\n>>>>>>> b\n"},
        "main.nf:1:1: is left of a merge that was not finished. Choose one of both texts.",
    ),
    "include of an include": (
        {
            "main.nf": "include { A } from './modules/a'\nworkflow { A() }\n",
            "modules/a.nf": "// x\ninclude { B } from '../b/main.nf'\nprocess A { script: 'x' }\n",
        },
        "modules/a.nf:2:1: includes ../b/main.nf, and there is no such file. Put the file into the definition, as b",
    ),
    "include from outside": (
        {"main.nf": "include { A } from '../a'\nworkflow { A() }\n"},
        "main.nf:1:1: includes ../a, which lies outside of the definition. Put a copy",
    ),
    "name of an include": (
        {"main.nf": "include { A; B as C } from './a'\nworkflow { A() }\n", "a.nf": "process A { script: 'x' }\n"},
        "main.nf:1:1: includes B, which a.nf does not have. Correct the name",
    ),
    "configuration": (
        {"main.nf": NF, "nextflow.config": "process {\n  cpus = 1\n"},
        "nextflow.config:1:9: { is never closed.",
    ),
    "configuration that is included": (
        {"main.nf": NF, "nextflow.config": "params.x = 1\nincludeConfig 'conf/base.config'\n"},
        "nextflow.config:2:1: includes conf/base.config, and there is no such file. Put the file into the definition",
    ),
    "configuration from outside": (
        {"main.nf": NF, "nextflow.config": "includeConfig '../x.config'\n"},
        "nextflow.config:1:1: includes ../x.config, which lies outside of the definition. Put a copy",
    ),
    "include after a condition": (
        {"main.nf": "if (params.x) { print(1) }\nprint(2)\ninclude { A } from './gone' addParams(a: 1)\n"},
        "main.nf:3:1: includes ./gone, and there is no such file. Put the file into the definition, as gone.nf",
    ),
    "expression": ({"main.nf": 'x = """echo ${y"""\n'}, "main.nf:1:13: ${ is never closed. Close it with }."),
    "bracket of an expression": (
        {"main.nf": 'x = "a ${y[1)} b"\n'},
        "main.nf:1:13: ) is where the [ of main.nf:1:11 is not closed yet.",
    ),
    "text within an expression": ({"main.nf": 'x = "${y.minus(\'a)}"\n'}, "main.nf:1:16: the text after ' is never"),
    "text that ends with its line": (
        {"main.nf": "x = 'a\ny = 'b'\n"},
        "main.nf:1:5: the text after ' is never closed.",
    ),
    "merge in a text": (
        {"main.nf": "x = '''\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> c\n'''\n"},
        "main.nf:2:1: is left of a merge that was not finished.",
    ),
    "what is behind a problem is not read": (
        {"main.nf": f"{NF}}}\n// include {{ X }} from './gone'\n/*\ninclude {{ Y }} from './gone'\n*/\n"},
        "main.nf:2:1: } closes nothing.",
    ),
    "UTF-16": ({"main.nf": NF.encode("utf-16")}, "main.nf:1: is UTF-16 text. Save it as UTF-8."),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_in_a_pipeline_is_told(kind: str) -> None:
    files, wanted = BROKEN[kind]
    (issue,) = told(files)
    assert wanted in issue


def test_a_broken_script_is_refused_before_any_call(tmp_path: Path) -> None:
    (tmp_path / "main.nf").write_text("workflow {\n}\n}\n")
    operator = OmicsCreateWorkflowOperator(task_id="create", name="w", definition=tmp_path)
    with pytest.raises(OmicsRequestInvalidError, match=r"main.nf:3:1: } closes nothing. Remove it"):
        operator.creation()


RIGHT = {
    "escapes in an expression": r"""x = "${x.replace("\"", "")}" """,
    "pattern in an expression": """x = "${x.replaceAll(/"/, '')}" """,
    "apostrophe behind an expression": r"""x = "${x.replaceAll('\'', '')} isn't" """,
    "brackets in texts of an expression": """x = "${y['}'] + "${z["{"]}"} (" """,
    "expression of several lines": """x = "${y.collect {\n  "it's ${it}"\n}.join('"')}" """,
    "comment in an expression": 'x = """${ y /* } " */ }"""',
    "four quotation marks": 'x = """echo "hi""""',
    "five quotation marks": 'x = """echo ""hi"""""',
    "four apostrophes": "x = '''it is 'it''''",
    "no text and texts": "x = '''''' + '\"' + \"\" + \"'\" + '' ",
    "slashes with an expression": """x = /a"b${d.replace("/", "_")}'c/""",
    "slashes over several lines": "x = /(?x)\n  it's\n  \"a\n/",
    "slash that is escaped": r"x = /a\/'[^\"{]/",
    "slashes and a dollar": """x = y ==~ /.*"$/ || z =~ /'$x/ || !(w ==~ /(/)""",
    "choice": """x = a ? /'/ : /"/""",
    "values of a map": """x = [a: /'/, b: /"/, (/(/): 1]""",
    "arguments": """x.split(/'/).collect { /"/ }\nassert /[/\nx in /'/\n/"/.size()\nreturn /{/""",
    "division on the next line": "x = (total\n  / cpus) / 2 // it's",
    "division in a list": "x = [total\n  / cpus, (1 / 2), 'a/b']",
    "division after a step": "x = i++ / (b + c[1] / 2)\ny = i-- / (b)",
    "divisions": "x = a / (b) / [1][0] / { 2 }() / 4.5 / c / ''.size() / (d)",
    "division by a member": "x = y.in / (z.new / 2)",
    "comment between": """x = a /* it's */ / (b /* " */ / 2)""",
    "dollar and slash": "x = $/\n it's $$ $/ $/$ ${y('/$')} \"{\n/$",
    "names with a dollar": "x = a$/2 + $b/3 + 'c$/'",
    "comments in texts": r"""x = 'http://a/*' + "http://b/*" + /c:\/\/*/ + '''//''' + ["/*"]""",
    "texts in comments": """// it's "\n/* ' " ''' { */""",
    "escapes": r"""x = 'it\'s' + 'a\\' + "\\\"" + '''\'''' """,
    "lines that go on": "x = \"a \\\n  b\" + 'c \\\n d'",
    "lines of Windows that go on": "x = \"a \\\r\n  b\" + 'c \\\r\n d'\r\n",
    "shell block": "x = { shell:\n'''\n awk '{ print $1 ' !{y} \"\n''' }",
    "script block": 'x = { script:\n"""\n awk \'{ print \\$1 \' ${y} \\${z " \n""" }',
    "letters of all kinds": "größe = 'é' / größe / 2 // '\u2028'\nx = \"\U0001f9ec ${größe / 2}\"",
    "merge that is told of": "x = '''\n<<<<<<< \n'''\n// <<<<<<< a\n/*\n<<<<<<< a\n=======\n>>>>>>> b\n*/",
}


@pytest.mark.parametrize("kind", RIGHT)
def test_what_looks_odd_is_right(kind: str) -> None:
    text = f"#!/usr/bin/env nextflow it's\n{RIGHT[kind]}\n"
    assert told({"main.nf": text}) == []
    assert told({"main.nf": NF, "nextflow.config": text}) == []
    # And what follows is read.
    line = text.count("\n") + 1
    wanted = (
        "includes ./gone, and there is no such file. Put the file into the definition, as gone.nf, or correct the path"
    )
    assert told({"main.nf": f"{text}include {{ A }} from './gone'\n"}) == [f"main.nf:{line}:1: {wanted}."]


def test_a_slash_that_may_do_else_is_no_problem() -> None:
    assert told({"main.nf": "x = a +\n/ (b)\n"}) == []
    # Whether the text ends there is by what comes later.
    assert told({"main.nf": "x = /it's\\\\/\n"}) == []
    assert told({"main.nf": "x = /it's\\\\/ + '(' + /\\\\/\ny = '/'\n"}) == []
    assert told({"main.nf": "x = y\n/ \"${it's}\n"}) == []
    assert told({"main.nf": 'x = y\n/ ${z)} / "a"\n'}) == []


INCLUDES = {
    "made path": ("include { A } from './modules/' + params.x\n", ""),
    "made path on the next line": ("include { A } from './modules/'\n  + params.x\n", ""),
    "in a condition": ("if (params.x) {\n  include { A } from './gone'\n}\n", ""),
    "after a condition": ("if (params.x)\n  include { A } from './gone'\nelse include { A } from './lost'\n", ""),
    "after another": ("if (params.x) include { A } from './gone'\nelse\n  include { A } from './lost'\n", ""),
    "folder itself": ("include { source_of } from './'\ndef source_of() { }\n", ""),
    "made path of a configuration": ("", "includeConfig 'conf/' + params.env + '.config'\n"),
    "file of the machine": ("", "includeConfig '/dev/null'\n"),
    "in brackets": ("", "includeConfig('conf/' + params.env)\nincludeConfig ('conf/'.plus(params.env))\n"),
    "member of a path": (
        "",
        "includeConfig 'conf/x'.concat('.config')\nincludeConfig 'conf/y'\n  .concat('.config')\n",
    ),
    "configuration in a condition": ("", "if (params.x) includeConfig 'gone.config'\n"),
    "choice of configurations": ("", "includeConfig params.x ? 'a.config' : 'b.config'\nincludeConfig ''\n"),
    "in a text": ("x = '''\ninclude { A } from './gone'\n'''\n", "x = \"includeConfig 'gone'\"\n"),
    "module of a registry": ("include { A } from 'nf-core/fastqc'\ninclude { B } from 'plugin/b'\n", ""),
}


@pytest.mark.parametrize("kind", INCLUDES)
def test_what_may_be_there_is_not_missed(kind: str) -> None:
    script, configuration = INCLUDES[kind]
    assert told({"main.nf": f"def A() {{ }}\n{script}", "nextflow.config": configuration}) == []


def test_a_script_is_looked_for_as_nextflow_does() -> None:
    files = {"main.nf": "include { A } from './a'\n", "a": "B", "a/main.nf": "C", "a.nf": "A"}
    assert told(files) == []
    assert told({**files, "main.nf": "include { A } from './a' ; include { D } from './a.nf'\n"}) == [
        "main.nf:1:28: includes D, which a.nf does not have. Correct the name, or write that process, workflow or "
        "function there."
    ]


def test_what_is_not_utf_8_is_read_as_nextflow_does(tmp_path: Path) -> None:
    scripts = {"main.nf": b"// r\xe9sum\xe9\ninclude { A } from './a'\n", "a.nf": b"process A {\n// caf\xe9\n}\n"}
    for path, content in {**scripts, "nextflow.config": b"// \xe9\n"}.items():
        (tmp_path / path).write_bytes(content)
    creation = OmicsCreateWorkflowOperator(task_id="create", name="w", definition=tmp_path).creation()
    assert "main.nf has no nextflow_schema.json beside it" in creation.notes


def test_how_deep_and_how_long_it_is_does_not_matter() -> None:
    deep = "".join(f"x = {opener * 9_000}1{closer * 9_000}\n" for opener, closer in (("(", ")"), ('"${', '}"')))
    chain = {f"m{n}.nf": f"include {{ A }} from './m{n + 1}'\n" for n in range(2_000)}
    long = "include { A } from './m0'\nx = [1, 'a', /b/, \"${c / 2}\"] // it's\n" * 2_000
    assert told({"main.nf": deep + long, **chain, "m2000.nf": "def A() { }"}) == []
    merge = "<<<<<<< a\n" * 20_000
    assert told({"main.nf": f"{NF}x = '''\n{merge}'''\n"}) == []


def test_scripts_of_nextflow_that_look_odd_are_right() -> None:
    files = {
        "main.nf": """\
#!/usr/bin/env nextflow
/* it's a } */ // "and {
include { A; B as C } from './modules/a'
include { D } from "${projectDir}/modules/d"
include { paramsHelp } from 'plugin/nf-schema'
def half = (params.x ?: 4) / 2 // an apostrophe's
def same = name =~ /[^'"{]+\\/x/
def text = $/ it's { /$
def found = names.findAll { it ==~ /.*"$/ } + [ "a${ names.collect { "'${it}'" }.join(', ') }b" ]
workflow { A(); C("}", '{', "\\"") }
""",
        "modules/a/main.nf": """\
process A { script: \'\'\'
  awk '{ print $1 }' !{x.collect { it }}
  echo ' "
\'\'\' }
def B() { 'x' }
""",
        "nextflow.config": (
            "profiles { test { includeConfig 'conf/test.config' } }\nincludeConfig \"${params.base}/x.config\"\n"
        ),
    }
    assert told(files) == []
