cwlVersion: v1.2
class: Workflow
label: Read QC
doc: |
  Reads, bases, mean quality, GC share and share of bases of at least Q30 for one sample's FASTQ files, single or
  paired, plain or gzipped. A damaged file fails the run, and the task's log says what is wrong with it.

requirements:
  ScatterFeatureRequirement: {}
  MultipleInputFeatureRequirement: {}
  # In AWS, put the URI of this image in your private registry here, or map Docker Hub to it in CreateWorkflow.
  DockerRequirement:
    dockerPull: python:3.12-slim

inputs:
  sample_name:
    type: string
    doc: Name of the sample; names the output files
  fastq_1:
    type: File
    doc: FASTQ file of the reads, or of the first mates
  fastq_2:
    type: File?
    doc: FASTQ file of the second mates

outputs:
  figures:
    type: File
    doc: "<sample_name>.qc.json"
    outputSource: combine/figures
  report:
    type: File
    doc: "<sample_name>.qc.txt"
    outputSource: combine/report

steps:
  measure:
    scatter: reads
    in:
      reads:
        source: [fastq_1, fastq_2]
        pickValue: all_non_null
    out: [counts]
    run:
      class: CommandLineTool
      requirements:
        InitialWorkDirRequirement:
          listing:
            - entryname: measure.py
              entry:
                $include: measure.py
        ResourceRequirement:
          coresMin: 1
          ramMin: 1024
      baseCommand: [python3, measure.py]
      inputs:
        reads:
          type: File
          inputBinding:
            position: 1
      stdout: counts.json
      outputs:
        counts:
          type: stdout

  combine:
    in:
      sample_name: sample_name
      counts: measure/counts
    out: [figures, report]
    run:
      class: CommandLineTool
      requirements:
        InitialWorkDirRequirement:
          listing:
            - entryname: combine.py
              entry:
                $include: combine.py
        ResourceRequirement:
          coresMin: 1
          ramMin: 1024
      baseCommand: [python3, combine.py]
      inputs:
        sample_name:
          type: string
          inputBinding:
            position: 1
        counts:
          type: File[]
          inputBinding:
            position: 2
      outputs:
        figures:
          type: File
          outputBinding:
            glob: "*.qc.json"
        report:
          type: File
          outputBinding:
            glob: "*.qc.txt"
