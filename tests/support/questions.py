"""Answers to the questions of `floorline init`: typed on a real terminal, or by a pipe in this process."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import time
from collections.abc import Iterator, Sequence

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.support.snapshots import FLOORLINE, clean_env

DEADLINE = 60  # seconds
ENTER, DOWN, SPACE = "\r", "\x1b[B", " "


@contextlib.contextmanager
def typed(keys: str) -> Iterator[None]:
    """Let the prompts of this process read these keys, and then the end of the input."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        pipe.close()
        yield


def answer_on_terminal(
    arguments: Sequence[str], answers: Sequence[tuple[str, str]], **env: str
) -> tuple[int, str]:
    """Run the command on a pseudo-terminal; return its exit code and all that it printed.

    `answers` are texts to wait for, and the keys that are typed when such a text has been printed.
    """
    reader, terminal = pty.openpty()
    printed, ends = b"", time.monotonic() + DEADLINE
    with subprocess.Popen(
        [FLOORLINE, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=clean_env(**env)
    ) as process:
        os.close(terminal)
        for text, keys in (*answers, ("", "")):
            seen = len(printed)
            while not text or text.encode() not in printed[seen:]:
                assert time.monotonic() < ends, printed.decode()
                try:
                    part = os.read(reader, 65536)
                except OSError:  # the command has ended
                    part = b""
                printed += part
                if not part:
                    break
            if keys:
                os.write(reader, keys.encode())
    os.close(reader)
    return process.returncode, printed.decode()
