"""No operation takes more instructions, allocations or system calls than are recorded for it."""

from __future__ import annotations

import pytest
from counting import (
    CONNECTIONS,
    HTTP_REQUEST,
    HTTP_REQUEST_ONE_BY_ONE,
    INSTRUCTIONS,
    LARGEST_SHARE,
    OBSERVING,
    Counts,
    count_all,
    has_grown,
    names,
    share_of_observing,
)
from kernel_support import has_io_uring
from record import RENEW, VERSION, Record, read, this_build
from tools import Unavailable

# One read and one write, and a wait that is shared by those that came together. By io_uring, writes are too.
CALLS_PER_REQUEST = {HTTP_REQUEST_ONE_BY_ONE: 2.1, HTTP_REQUEST: 1.3}

# What has a bound of its own, so that no record needs to hold it down.
BOUNDED = (*CALLS_PER_REQUEST, *(f"{OBSERVING} per {name}" for name in INSTRUCTIONS))

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def counts() -> Counts:
    try:
        return count_all()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def record() -> Record:
    found = read()
    if found is None:
        pytest.skip(f"nothing is recorded for CPython {VERSION}: `{RENEW}` does it")
    return found


@pytest.mark.parametrize("name", [name for name in names() if name not in BOUNDED])
def test_count_has_not_grown(name, record, counts):
    if name.startswith("instructions") and record.build != this_build():
        pytest.skip(f"recorded with another build, {record.build}: `{RENEW}` records this one's")
    assert name in record.counts, f"{name} is not recorded: `{RENEW}` does it"
    recorded = record.counts[name]
    assert not has_grown(recorded, counts[name]), (
        f"{name}: {counts[name]:g}, recorded are {recorded:g}. If that is meant, `{RENEW}` renews the record."
    )


@pytest.mark.parametrize(("name", "most"), CALLS_PER_REQUEST.items())
def test_http_requests(counts, name, most):
    """What else happens on the machine decides how many come together, so there is a bound, no record."""
    if name == HTTP_REQUEST and not has_io_uring():
        pytest.skip("there is no io_uring, or it is not allowed")
    assert counts[name] <= most, f"with {CONNECTIONS} connections"


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_metrics_and_tracing_that_are_off_cost_next_to_nothing(name, counts):
    assert share_of_observing(name, counts) < LARGEST_SHARE


def test_instructions_of_metrics_and_tracing_are_found(counts):
    """Two messages an echo: received and sent bytes, turns and polls, are eight additions at least."""
    assert counts[f"{OBSERVING} per echo 1 KiB"] >= 8
