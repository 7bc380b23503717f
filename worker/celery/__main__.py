"""Run a worker of threads with beat, as `zik up` does, without Celery's command line, which takes 8 MB for a shell."""

import argparse
import sys

from worker.celery.application import app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m worker.celery", description=__doc__)
    parser.add_argument("--concurrency", type=int, required=True, help="tasks that run at once")
    parser.add_argument("--schedule", required=True, help="the file in which beat notes what it has sent")
    options = parser.parse_args()
    worker = app.Worker(
        # Processes would take the memory of one for each slot.
        pool_cls="threads",
        concurrency=options.concurrency,
        beat=True,
        schedule_filename=options.schedule,
        loglevel="INFO",
    )
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
