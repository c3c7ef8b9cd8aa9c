"""A process that starts runs on demand, each as a child of its own, which has loaded all code already.

Reads a line of JSON for each run, {"now_s": ..., "environment": {...}}, and writes the child's id, then its exit code.
"""

import json
import os
import sys


def main() -> None:
    import deltalake  # noqa: F401
    import polars  # noqa: F401

    import tickvol.risk.views.runs  # noqa: F401
    from tickvol.apps import risk
    from tickvol.exchange import http_session  # noqa: F401
    from tickvol.risk.pipeline import session

    def run(now_s: float, environment: dict[str, str]) -> None:
        os.environ.update(environment)
        assert session.run_all.__kwdefaults__ is not None
        session.run_all.__kwdefaults__["now_us"] = lambda: round(now_s * 1e6)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(risk.main(["run"]))

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
