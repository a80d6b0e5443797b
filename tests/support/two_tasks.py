"""A workflow of two tasks in WDL and in CWL: inputs ``text``, ``word`` and ``gate``, outputs ``made`` and ``found``."""

from __future__ import annotations

# A first task that runs again makes another number; a second one waits until its gate is there, and fails where its
# input has no such word.
_FIRST = "cat {text} /proc/sys/kernel/random/uuid > made.txt"
_SECOND = "until test -e {gate}; do sleep 0.05; done; grep {word} {made} > found.txt"
OPEN = "/"
"""A gate that is there from the beginning."""
WDL = f"""version 1.1
task first {{
  input {{ File text String image = "one" }}
  command <<< {_FIRST.format(text="~{text}")} >>>
  output {{ File made = "made.txt" }}
  runtime {{ docker: image cpu: 3 memory: "5 GiB" }}
}}
task second {{
  input {{ File made String word String gate }}
  command <<< {_SECOND.format(gate="~{gate}", word="~{word}", made="~{made}")} >>>
  output {{ File found = "found.txt" Int n = 1 }}
}}
workflow w {{
  input {{ File text String word String gate String image = "one" }}
  call first {{ input: text, image }}
  call second {{ input: made = first.made, word, gate }}
  output {{ File made = first.made File found = second.found Int n = second.n }}
}}
"""
_CWL = """cwlVersion: v1.2
class: Workflow
inputs: {text: File, word: string, gate: string}
outputs:
  made: {type: File, outputSource: first/made}
  found: {type: File, outputSource: second/found}
steps:
  first:
    in: {text: text}
    out: [made]
    run:
      class: CommandLineTool
      requirements: {DockerRequirement: {dockerPull: IMAGE}, ResourceRequirement: {coresMin: 3, ramMin: 5120}}
      inputs: {text: {type: File, inputBinding: {position: 1}}}
      baseCommand: cat
      arguments: [{valueFrom: /proc/sys/kernel/random/uuid, position: 2}]
      stdout: made.txt
      outputs: {made: stdout}
  second:
    in: {made: first/made, word: word, gate: gate}
    out: [found]
    run:
      class: CommandLineTool
      inputs:
        gate: {type: string, inputBinding: {position: 0}}
        word: {type: string, inputBinding: {position: 1}}
        made: {type: File, inputBinding: {position: 2}}
      baseCommand: [sh, -c, 'until test -e "$0"; do sleep 0.05; done; grep "$1" "$2"']
      stdout: found.txt
      outputs: {found: stdout}
"""


def cwl_of_image(image: str = "one") -> str:
    """Return the workflow in CWL; that in WDL has the image of its first task as an input."""
    return _CWL.replace("IMAGE", image)
