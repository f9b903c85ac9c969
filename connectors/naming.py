"""What makes a quote the one it is, and what stands for many of them."""

import hashlib
from collections.abc import Sequence

# What makes a row of the schema QUOTES the quote it is.
NAMING = ("item_id", "phase", "provider")
NO_PHASE = "\0"


def fingerprint_of(keys: Sequence[str]) -> str:
    """Digest `keys` in their order; prices are left out, so that a moving market has stable pages."""
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=8).hexdigest()
