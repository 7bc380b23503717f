"""Call a function in a process of its own, so that the memory of all that it imports is free when it returns."""

import signal
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from worker.errors import OperatorError, ZikError


def apart(target: str, *given: object) -> Any:
    """Return what the function `module:function` returns, which must be picklable.

    Call it before this process starts a thread.

    Raises:
        OperatorError: it has raised a ZikError, whose text this is.
    """
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(sender, target, given))
    process.start()
    sender.close()
    try:
        refusal, result = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{target} ended without a result") from None
    finally:
        receiver.close()
        process.terminate()
        process.join()
    if refusal is not None:
        raise OperatorError(refusal)
    return result


def _call(sender: Connection, target: str, given: tuple[object, ...]) -> None:
    # Ctrl-C in the terminal is the parent's business, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    module, _, attribute = target.partition(":")
    try:
        sender.send((None, getattr(import_module(module), attribute)(*given)))
    except ZikError as error:
        sender.send((str(error), None))
