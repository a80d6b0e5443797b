"""A CWL and a WDL workflow of one task that both say hello, for clients to run for real."""

from __future__ import annotations

from cwl_service import zip_of

CWL = """cwlVersion: v1.2
class: Workflow
inputs: {name: string}
outputs: {greeting: {type: File, outputSource: greet/greeting}}
steps:
  greet:
    in: {name: name}
    out: [greeting]
    run:
      class: CommandLineTool
      baseCommand: [sh, -c, 'echo "hello $0"; echo "greeting $0" >&2']
      inputs: {name: {type: string, inputBinding: {}}}
      outputs: {greeting: stdout}
      stdout: greeting.txt
"""
WDL = """version 1.0
task greet {
  input { String name }
  command <<< echo "hello ~{name}" > greeting.txt; echo "greeting ~{name}" >&2 >>>
  output { File greeting = "greeting.txt" }
}
workflow hello {
  input { String name }
  call greet { input: name = name }
  output { File greeting = greet.greeting }
}
"""
DEFINITIONS = {"CWL": zip_of({"main.cwl": CWL}), "WDL": zip_of({"main.wdl": WDL})}
PARAMETERS = {"name": "world"}
