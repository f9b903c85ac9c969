"""A planted key, and what a person could see of it in an exception."""

import traceback

SECRET = "cs2c_live_planted_9f8e7d6c5b4a_tail"


def render_exception(error: BaseException) -> str:
    """Render what handlers, reporters and debuggers show of an exception, locals of every frame included."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join([*report.format(), str(error), repr(error), repr(error.args), repr(vars(error))])


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert SECRET not in text
        assert SECRET[4:-4] not in text
