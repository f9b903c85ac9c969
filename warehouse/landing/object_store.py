"""Open the object store of the landings: S3, or a folder that several machines mount; its errors as ours."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from common.warehouse_errors import ObjectStoreRefused, ObjectStoreUnavailable
from warehouse.shared import SharedLocation

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Config

# A store that does not answer for so long is left to the next run: the landings are safe on this machine.
RETRIED_FOR: Final = timedelta(seconds=20)
REQUEST_TIMEOUT: Final = timedelta(seconds=60)
REFUSAL: Final = re.compile(r"status code: (?P<status>4\d\d)")
REFUSALS: Final = {
    "401": "does not accept the credentials",
    "403": "does not accept the credentials",
    "404": "does not exist",
}
REGION: Final = "us-east-1"  # the region that S3 servers other than Amazon's expect


def open_object_store(shared: SharedLocation) -> ObjectStore:
    """Return a client of the storage that several machines share; no request is sent yet.

    Credentials and the region come from the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION
    of the environment, or from the role of the machine. Raises ObjectStoreRefused for an address that no
    store has.
    """
    from obstore.store import LocalStore, S3Store

    with translate_object_errors(shared.storage):
        if shared.storage.startswith("file:"):
            return LocalStore.from_url(shared.storage, mkdir=True)
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
        endpoint: S3Config = {"endpoint": shared.endpoint} if shared.endpoint else {}
        return S3Store.from_url(
            shared.storage,
            config={"region": region, **endpoint},
            client_options={
                "allow_http": (shared.endpoint or "").startswith("http://"),
                "timeout": REQUEST_TIMEOUT,
            },
            retry_config={"max_retries": 6, "retry_timeout": RETRIED_FOR},
        )


@contextlib.contextmanager
def translate_object_errors(storage: str) -> Iterator[None]:
    """Raise ObjectStoreRefused or ObjectStoreUnavailable for an error of the object store `storage`.

    That an object exists already, or does not (FileNotFoundError), passes: the caller knows what that means.
    """
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        InvalidPathError,
        PermissionDeniedError,
        UnauthenticatedError,
    )

    try:
        yield
    except AlreadyExistsError:
        raise
    except (PermissionDeniedError, UnauthenticatedError):
        raise ObjectStoreRefused(f"{storage} {REFUSALS['403']}") from None
    except (InvalidPathError, ValueError):
        raise ObjectStoreRefused(f"{storage} is not the address of an object store") from None
    except BaseError as error:
        # A listing has no error of its own for a refusal.
        if match := REFUSAL.search(str(error)):
            reason = REFUSALS.get(match["status"], f"answers with the status {match['status']}")
            raise ObjectStoreRefused(f"{storage} {reason}") from None
        raise ObjectStoreUnavailable(f"{storage} does not answer") from None
