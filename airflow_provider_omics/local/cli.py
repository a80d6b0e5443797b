"""The command ``airflow-omics-local``: serves HealthOmics and moto's services until it is stopped."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_omics.local.server import LocalOmics

DEFAULT_PORT = 4577
EXIT_NOT_INSTALLED = 3
EXIT_CANNOT_BIND = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :param arguments: the words after the command's name; None takes the process's own.
    :return: 0 after a stop by Ctrl-C or SIGTERM, 2 for wrong arguments, 3 when the extra ``local`` is not
        installed, 4 when the address cannot be bound.
    """
    options = _parser().parse_args(arguments)
    missing = _missing_modules(options.executor)
    if missing:
        _complain(f"{', '.join(missing)} not installed; the server needs: pip install 'airflow-provider-omics[local]'")
        return EXIT_NOT_INSTALLED
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        server = _make_server(options)
    except ValueError as error:
        _complain(str(error))
        return 2
    return _serve(server, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airflow-omics-local",
        description="Local AWS HealthOmics (runs, batches, workflows) with moto's S3, STS, CloudWatch Logs, "
        "EventBridge and SQS on one port. For development and tests: it checks no credentials.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind to (default: %(default)s)")
    add("--port", type=_port, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    add("--allow-remote", action="store_true", help="accept a --host that others can reach, and run tools for them")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer requests to this name too, such as a container's; may be repeated (default: loopback and --host)",
    )
    add(
        "--executor",
        choices=("auto", "simulated", "cwl"),
        default="auto",
        help="auto runs CWL with cwltool, WDL with miniwdl if that is installed, and simulates the rest"
        " (default: %(default)s)",
    )
    add(
        "--time-scale",
        type=_positive,
        default=1.0,
        metavar="FACTOR",
        help="seconds of the server per real second (default: %(default)s)",
    )
    add("--seed", type=int, default=0, help="of simulated durations and outcomes (default: %(default)s)")
    add(
        "--failure-share",
        type=_share,
        default=0.0,
        metavar="0..1",
        help="part of the simulated runs that fail (default: %(default)s)",
    )
    add("--fast", action="store_true", help="let every state of a run or batch last only milliseconds")
    add("--enforce-rates", action="store_true", help="throttle calls at the published rates")
    add(
        "--price-file",
        type=Path,
        metavar="PATH",
        help="JSON file with the prices that the Price List Service tells (default: invented ones)",
    )
    add(
        "--policy",
        type=Path,
        metavar="PATH",
        help="JSON file with the IAM policy of the callers; its resources are not compared (default: all is allowed)",
    )
    add(
        "--nextflow",
        action="store_true",
        help="really run Nextflow with the nextflow on the PATH, with --executor auto (default: simulate it)",
    )
    add("--region", default="us-east-1", help="printed for clients; every region is served (default: %(default)s)")
    add("--ready-file", type=Path, metavar="PATH", help="file to write the endpoint to, once it answers")
    add("--verbose", action="store_true", help="log every request")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return value


def _missing_modules(executor: str) -> list[str]:
    needed = ["moto", "flask", "flask_cors", "werkzeug"]
    if executor != "simulated":
        needed.append("cwltool")
    return [module for module in needed if find_spec(module) is None]


def _make_server(options: argparse.Namespace) -> LocalOmics:
    from airflow_provider_omics.local import Assumptions, LocalOmics, SimulatedOutcomes, Timings
    from airflow_provider_omics.local.access import read_policy

    return LocalOmics(
        options.host,
        options.port,
        executor=options.executor,
        time_scale=options.time_scale,
        seed=options.seed,
        timings=Timings.fast() if options.fast else Timings(),
        assumptions=Assumptions(waiters_see_running=options.fast),
        outcomes=SimulatedOutcomes(failure_share=options.failure_share),
        enforce_rates=options.enforce_rates,
        # A server may run for weeks; whoever needs every call starts it from Python.
        journal_limit=100_000,
        allow_remote=options.allow_remote,
        allowed_hosts=options.allow_host,
        price_file=options.price_file,
        policy=None if options.policy is None else read_policy(options.policy),
        nextflow=options.nextflow,
    )


def _serve(server: LocalOmics, options: argparse.Namespace) -> int:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        server.start()
    except OSError as error:
        _complain(f"cannot listen on {options.host} port {options.port}: {error.strerror}; choose another --port")
        return EXIT_CANNOT_BIND
    try:
        server.prepare(options.region)
        _announce(server, options)
        stopped.wait()
    finally:
        server.stop()
        if options.ready_file is not None:
            options.ready_file.unlink(missing_ok=True)
    return 0


def _announce(server: LocalOmics, options: argparse.Namespace) -> None:
    lines = [
        f"Local HealthOmics at {server.endpoint_url}",
        f"A development server, bound to {options.host}, that checks no credentials. Stop it with Ctrl-C.",
        "Point every AWS client at it with:",
        *(f"  export {name}={value}" for name, value in server.environment(options.region).items()),
    ]
    print("\n".join(lines), flush=True)
    if options.ready_file is not None:
        # Whoever waits for the file must never read half of it.
        partial = options.ready_file.with_name(f"{options.ready_file.name}.partial")
        partial.write_text(f"{server.endpoint_url}\n", encoding="utf-8")
        partial.replace(options.ready_file)


def _complain(text: str) -> None:
    print(f"airflow-omics-local: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
