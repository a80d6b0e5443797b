version 1.2

workflow read_qc {
  meta {
    description: "Reads, bases, mean quality, GC share and share of bases of at least Q30 for one sample's FASTQ files, single or paired, plain or gzipped. A damaged file fails the run, and the task's log says what is wrong with it."
  }

  parameter_meta {
    sample_name: "Name of the sample; names the output files"
    fastq_1: "FASTQ file of the reads, or of the first mates"
    fastq_2: "FASTQ file of the second mates"
    measure_script: "measure.py, for an engine that does not find it beside this file (before WDL 1.2)"
    combine_script: "combine.py, for an engine that does not find it beside this file (before WDL 1.2)"
  }

  input {
    String sample_name
    File fastq_1
    File? fastq_2
    File measure_script = "measure.py"
    File combine_script = "combine.py"
  }

  scatter (reads in select_all([fastq_1, fastq_2])) {
    call measure { reads, script = measure_script }
  }

  call combine { sample_name, counts = measure.counts, script = combine_script }

  output {
    File figures = combine.figures
    File report = combine.report
  }
}

task measure {
  input {
    File reads
    File script
  }

  command <<<
    python3 '~{script}' '~{reads}'
  >>>

  output {
    File counts = stdout()
  }

  requirements {
    # In AWS, put the URI of this image in your private registry here, or map Docker Hub to it in CreateWorkflow.
    container: "python:3.12-slim"
    cpu: 1
    memory: "1 GiB"
  }
}

task combine {
  input {
    String sample_name
    Array[File] counts
    File script
  }

  command <<<
    python3 '~{script}' '~{sample_name}' ~{sep(" ", squote(counts))}
  >>>

  output {
    File figures = "~{sample_name}.qc.json"
    File report = "~{sample_name}.qc.txt"
  }

  requirements {
    container: "python:3.12-slim"
    cpu: 1
    memory: "1 GiB"
  }
}
