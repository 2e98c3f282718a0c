"""Children that do a piece of work only to see whether it ends: `dpsql.trial` says what for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

from dpsql.engines.ahead import Ahead
from dpsql.engines.isolated_child import answer_all, bound
from dpsql.engines.isolated_pool import Pool
from dpsql.engines.isolated_wire import send

MEMORY = 512 << 20      # bytes that a piece of work may take
ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Trying:
    """Do what is asked, for so many `seconds` of this process's own time, and say when it is over."""

    seconds: float
    memory: int = MEMORY

    def live(self, line: socket.socket, ready: Ahead) -> None:
        """The kernel ends the process when the time is over, whatever it does: compiled code looks at nothing else."""
        bound(self.memory)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

        def answer(request: tuple[object, ...]) -> None:
            work, *arguments = request
            signal.setitimer(signal.ITIMER_PROF, self.seconds)
            try:
                assert callable(work)
                work(*arguments)
            except MemoryError:
                raise
            except Exception:
                pass                # it has ended, and the parent will see the same
            signal.setitimer(signal.ITIMER_PROF, 0)
            send(line, (ENDED,))

        answer_all(line, answer)


class Trials(Pool):
    """Such children, each begun when first needed. Safe to use from several threads."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the work on a text", Trying(seconds))

    def ends(self, work: Callable[..., object], *arguments: object) -> bool:
        """Whether a function of a module ends, by an error too; not where its child ended instead."""
        try:
            with self._child() as child:
                child.ask((work, *arguments))
        except Exception:
            return False
        return True
