"""The command that runs the examples of the WDL specification, on a small specification of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
import wdl_conformance
from wdl_examples import SuiteError, read_examples

PASSES = """
<details>
<summary>
Example: lines_task.wdl

```wdl
version 1.1
task lines {
  input { File text }
  command <<< wc -l < ~{text} > count.txt >>>
  output { Int n = read_int("count.txt") File count = "count.txt" Float half = n / 4.0 String other = "differs" }
}
```
</summary>
<p>
Example input:

```json
{ "lines.text": "three.txt" }
```

Example output:

```json
{ "lines.n": 3, "lines.count": "count.txt", "lines.half": 0.75, "lines.other": "not compared" }
```

Test config:

```json
{ "exclude_output": "other" }
```
</p>
</details>
"""
MADE = """
<details>
  <summary>
  Example: NAME

  ```wdl
  version 1.1
  import "lines_task.wdl" as other
  workflow w { output { Int n = EXPRESSION } }
  ```
  </summary>
  <p>
  Example output:

  ```json
  { "w.n": 3 }
  ```
  </p>
</details>
"""
EXAMPLES = {"wrong.wdl": "4", "broken.wdl": "x", "fine_fail.wdl": "[1][2]", "fails_not_fail.wdl": "3"}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    made = [MADE.replace("NAME", name).replace("EXPRESSION", text) for name, text in EXAMPLES.items()]
    tmp_path.joinpath("SPEC.md").write_text("# WDL\n" + PASSES + "".join(made) + "<details>no example</details>\n")
    tmp_path.joinpath("tests/data").mkdir(parents=True)
    tmp_path.joinpath("tests/data/three.txt").write_text("1\n2\n3\n")
    return tmp_path


def test_examples_are_run_and_compared_and_counted(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wdl_conformance.main([str(suite), "--at-least", "3"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["pass  lines_task.wdl", "FAIL  wrong.wdl: w.n is 4, and 3 is expected"]
    assert lines[2].startswith("FAIL  broken.wdl: the workflow is FAILED: broken.wdl line 3, column 31: Unknown id")
    assert lines[3:] == [
        "pass  fine_fail.wdl",
        "FAIL  fails_not_fail.wdl: the run completed, and should fail",
        "2 of 5 examples pass",
    ]


def test_one_example_can_be_chosen(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wdl_conformance.main([str(suite), "--only", "fine_fail.wdl", "--at-least", "1"]) == 0
    assert capsys.readouterr().out == "pass  fine_fail.wdl\n1 of 1 examples pass\n"


def test_a_folder_without_a_specification_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wdl_conformance.main([str(tmp_path)]) == 2
    assert "has no SPEC.md and tests/data; give a checkout of openwdl/wdl" in capsys.readouterr().err
    tmp_path.joinpath("SPEC.md").write_text("# WDL 1.0\n")
    tmp_path.joinpath("tests/data").mkdir(parents=True)
    with pytest.raises(SuiteError, match="has no examples that can be run"):
        read_examples(tmp_path)
