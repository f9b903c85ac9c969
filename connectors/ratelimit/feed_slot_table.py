"""The ledger's table of the connections to feeds. Every method runs inside of a transaction."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from common.state_database import StateConnection

# A key may have so many connections at once, those to both feeds together.
MAX_CONNECTIONS: Final = 2
# A holder that does not renew its connection has ended without giving it back.
LIFETIME: Final = 30.0


class FeedSlotTable(Struct, frozen=True):
    """The connections to feeds that processes hold with one key. Times are Unix seconds."""

    db: StateConnection
    key: str

    def claim(self, holder: str, now: float) -> bool:
        """Take a connection for `holder`, or keep the one that it has; return whether there was one.

        One that lasts longer than a lifetime was stored before the clock was set back, and counts no more.
        """
        self.db.execute(
            "DELETE FROM feed_slot WHERE key_print = ? AND (until <= ? OR until > ?)",
            (self.key, now, now + LIFETIME),
        )
        others = "SELECT count(*) FROM feed_slot WHERE key_print = ? AND holder <> ?"
        if int(self.db.execute(others, (self.key, holder)).fetchone()[0]) >= MAX_CONNECTIONS:
            return False
        self.db.execute(
            "INSERT INTO feed_slot VALUES (?, ?, ?)"
            " ON CONFLICT (key_print, holder) DO UPDATE SET until = excluded.until",
            (self.key, holder, now + LIFETIME),
        )
        return True

    def release(self, holder: str) -> None:
        """Give the connection of `holder` back."""
        self.db.execute("DELETE FROM feed_slot WHERE key_print = ? AND holder = ?", (self.key, holder))
