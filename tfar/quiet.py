"""An import of TensorFlow that hides what TensorFlow writes to the terminal."""

import contextlib
import gc
import os
import subprocess
import sys

# Prints what it has received when the other end is closed, even by a crash.
KEEPER = "import sys; sent = sys.stdin.buffer.read(); sys.stderr.buffer.write(sent)"


def import_tensorflow() -> None:
    """Imports all that a model needs. An import that fails shows what it has written.

    With TFAR_DEBUG in the environment, everything is shown as it comes.
    """
    if "tfar.models" in sys.modules:
        return
    with contextlib.nullcontext() if os.environ.get("TFAR_DEBUG") else _kept_back(), _kept():
        import tfar.models  # noqa: F401


@contextlib.contextmanager
def _kept():
    """What the block makes is kept to the end, and Python is told not to look for garbage in it.

    TensorFlow and Keras make half a million objects. Python's collector would find nothing in them
    while they are imported, whenever it runs later and when the process ends: in all, a quarter of
    the time of a short command.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _kept_back():
    """Shows what the block writes to file descriptor 2 only if the block raises or crashes.

    TensorFlow's libraries write to it before they read any log level. A separate process keeps what
    was written, since it outlives a crash of this one.
    """
    command = [sys.executable, "-I", "-S", "-c", KEEPER]
    # In another session, where Ctrl-C does not reach it.
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    terminal = os.dup(2)
    os.dup2(keeper.stdin.fileno(), 2)
    keeper.stdin.close()
    try:
        yield
        keeper.kill()
    except KeyboardInterrupt:
        keeper.kill()
        raise
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        keeper.wait()
