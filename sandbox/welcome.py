"""What a sandbox says of itself: what it is, and what to put into a configuration."""

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.skinshark.merchant import FIRST_KEY

DEFAULT_PORT = 8765


def describe_sandbox(url: str) -> str:
    """Return the text for people of a sandbox at this address."""
    address = "" if url.endswith(f":{DEFAULT_PORT}") else f" --base-url {url}"
    return f"""\
This is a sandbox of Floorline: look-alikes of the CS2Cap and SkinShark price APIs, and one market behind
both. Its prices are not real, and its keys are no secret.

Write a configuration for it with

    floorline init --sandbox{address}

or put this into floorline.toml:

    [sources.cs2cap]
    base_url = "{url}"
    key = "env:CS2C_API_KEY"

    [sources.skinshark]
    base_url = "{url}"
    key = "env:SKINSHARK_API_KEY"

and this into the environment:

    export CS2C_API_KEY={VALID_KEY}
    export SKINSHARK_API_KEY={FIRST_KEY}

docs/sandbox.md describes the routes under /_sandbox/, which change prices, keys, the clock and faults.
"""
