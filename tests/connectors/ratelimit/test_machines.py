"""Machines whose clocks differ share the limits of a key, by the clock of their database."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import OnHold
from connectors.ratelimit.ledger import MonthReport, RequestLedger, read_key_hold
from connectors.ratelimit.ledger_tables import WINDOW
from tests.support.clocks import VirtualClock
from tests.support.postgres import Postgres, needs_postgres
from tests.support.states import virtual_postgres

pytestmark = [needs_postgres, pytest.mark.server]
FIVE_MINUTES = timedelta(minutes=5)


class Machine:
    """A ledger on a machine that was started at another time, and whose clock is `ahead` of the server's."""

    def __init__(self, url: str, server: VirtualClock, key: str, *, uptime: float, ahead: timedelta) -> None:
        self.state = virtual_postgres(url, server)
        self.ledger = RequestLedger(self.state, key, "cs2cap")
        self._server, self._uptime, self._ahead = server, uptime, ahead

    @property
    def now(self) -> float:
        """The machine's monotonic clock."""
        return self._server.time + self._uptime

    @property
    def at(self) -> datetime:
        """The machine's time, UTC."""
        return self._server.now() + self._ahead

    def acquire(self, ticket: int = 0) -> tuple[int, float | None]:
        """Ask for one request; return its ticket and the wait."""
        ticket, wait, _ = self.ledger.acquire(ticket, 1, metered=True, lease=90.0, now=self.now, at=self.at)
        return ticket, wait

    def answer(self, ticket: int) -> None:
        """Let the response to a request arrive now."""
        self.ledger.settle(ticket, self.now + WINDOW, now=self.now)


def start_machines(url: str, key: str) -> tuple[VirtualClock, Machine, Machine]:
    clock = VirtualClock()
    behind = Machine(url, clock, key, uptime=7.0, ahead=-FIVE_MINUTES)
    ahead = Machine(url, clock, key, uptime=3e6, ahead=FIVE_MINUTES)
    return clock, behind, ahead


@pytest.fixture
def url(postgres: Postgres) -> str:
    """Return the address of a new database."""
    return postgres.create_database()


def test_request_of_one_machine_counts_for_the_other(url: str) -> None:
    clock, one, other = start_machines(url, "f00d")
    one.ledger.set_rate(1)
    ticket, wait = one.acquire()
    assert wait == 0
    clock.time = 10.0
    one.answer(ticket)
    queued, wait = other.acquire()
    assert wait == 5.0  # it asks again
    clock.time = 15.0
    assert other.acquire(queued) == (queued, 5.0)
    clock.time = 69.0
    queued, wait = other.acquire(queued)
    assert wait == pytest.approx(1.0)
    clock.time = 70.0
    assert other.acquire(queued) == (queued, 0.0)


def test_pause_of_one_machine_holds_the_other(url: str) -> None:
    clock, one, other = start_machines(url, "f00d")
    one.ledger.pause(one.now, one.now + 3.0)
    clock.time = 1.0
    assert other.acquire()[1] == pytest.approx(2.0)


def test_hold_of_one_machine_holds_the_other(url: str) -> None:
    clock, one, other = start_machines(url, "f00d")
    one.ledger.hold(one.at + timedelta(minutes=10), at=one.at)
    with pytest.raises(OnHold) as caught:
        other.acquire()
    assert caught.value.retry_after == pytest.approx(600)
    until = read_key_hold(other.state, "f00d", other.at)
    assert until is not None
    assert (until - other.at).total_seconds() == pytest.approx(600)
    clock.time = 601.0
    assert read_key_hold(other.state, "f00d", other.at) is None
    assert other.acquire()[1] == 0


def test_report_to_one_machine_counts_the_open_requests_of_the_other(url: str) -> None:
    clock, one, other = start_machines(url, "f00d")
    one.acquire()
    clock.time = 1.0
    since = other.now
    ticket, _ = other.acquire()
    other.ledger.sync_month(MonthReport(500, 1000, since, own=ticket), now=other.now, at=other.at)
    assert one.ledger.month(one.at).used == 501  # the source may not have counted the one


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_machines_never_exceed_the_rate_limit(url: str, seed: int) -> None:
    rng = random.Random(seed)
    clock, *machines = start_machines(url, f"{seed:012x}")
    machines[0].ledger.set_rate(3)
    sent: list[float] = []
    open_requests: list[tuple[Machine, int]] = []
    tickets = [0, 0]
    for _ in range(60):
        clock.time += rng.choice([0.0, 1.0, 7.0, 30.0])
        number = rng.randrange(2)
        machine = machines[number]
        ticket, wait = machine.acquire(tickets[number])
        tickets[number] = ticket if wait else 0
        if wait == 0:
            sent.append(clock.time)
            open_requests.append((machine, ticket))
        if open_requests and rng.random() < 0.7:
            answered, ticket = open_requests.pop(rng.randrange(len(open_requests)))
            answered.answer(ticket)
    for machine in machines:
        machine.ledger.close()
    assert len(sent) > 3
    for start in sent:
        assert sum(start <= time < start + WINDOW for time in sent) <= 3
