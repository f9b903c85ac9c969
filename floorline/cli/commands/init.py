"""The command `floorline init`: the first configuration, by questions or by options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile

if TYPE_CHECKING:
    from floorline.setup.creation import Request

Text = str | None
Texts = list[str] | None


def init(  # noqa: PLR0913, PLR0917 - one argument per option
    config: ConfigFile = None,
    as_json: AsJson = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Observe the sandbox; asks nothing, and needs no key.")
    ] = False,
    source: Annotated[Text, typer.Option(metavar="API", help="The API: cs2cap or skinshark.")] = None,
    key: Annotated[
        Text, typer.Option(metavar="PLACE", help="Where the key is: env:NAME, file:PATH or block:NAME.")
    ] = None,
    tier: Annotated[
        Text, typer.Option(metavar="TIER", help="The tier of the account; auto: as the API reports.")
    ] = None,
    items: Annotated[
        Texts, typer.Option(metavar="ITEM", help="An item: words, name, id or glob; may be repeated.")
    ] = None,
    providers: Annotated[Texts, typer.Option(metavar="PROVIDER", help="Marketplaces, with commas.")] = None,
    currencies: Annotated[Texts, typer.Option(metavar="CODE", help="Currencies, with commas.")] = None,
    every: Annotated[Text, typer.Option(metavar="DURATION", help="The interval, such as 10m or 1h.")] = None,
    notify: Annotated[
        Texts, typer.Option(metavar="ADDRESS", help="Who receives alerts; may be repeated.")
    ] = None,
    basket: Annotated[Text, typer.Option(metavar="NAME", help="The name of the basket.")] = None,
    base_url: Annotated[
        Text, typer.Option(metavar="URL", help="The address of the API, if not the usual one.")
    ] = None,
    warehouse: Annotated[Text, typer.Option(metavar="FOLDER", help="The folder of the database.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a configuration that exists.")] = False,
) -> None:
    """Write a configuration: ask for it, check it, show its cost.

    On a terminal, Floorline asks for what no option says; elsewhere, everything is an option.
    """
    from floorline.cli.render.setup import print_creation
    from floorline.console import print_error
    from floorline.setup.creation import Request, create_configuration
    from floorline.setup.prompts import open_prompts, person_answers
    from pipelines.config.files import config_path

    given = {
        "source": source and source.strip().lower(),
        "key": key,
        "tier": tier,
        "items": items,
        "providers": _split(providers),
        "currencies": _split(currencies),
        "every": every,
        "notify": notify,
        "basket": basket,
        "base_url": base_url,
        "warehouse": warehouse,
    }
    request = Request(
        config_path(config),
        {name: value for name, value in given.items() if value},
        sandbox_key=_sandbox_key(source) if sandbox else "",
        prompts=None if sandbox or as_json or not person_answers() else open_prompts,
    )
    _require_permission(request, force=force)
    print_creation(create_configuration(request, print_error), as_json=as_json)


def _split(names: Texts) -> Texts:
    """Return the names of an option, which may be repeated, or have several names with commas."""
    from floorline.setup.prompts import split_list

    return [name for text in names or () for name in split_list(text)]


def _sandbox_key(source: str | None) -> str:
    from sandbox.cs2cap.keys import VALID_KEY
    from sandbox.skinshark.merchant import FIRST_KEY

    return FIRST_KEY if source and source.strip().lower() == "skinshark" else VALID_KEY


def _require_permission(request: Request, *, force: bool) -> None:
    """Ask before a file is replaced. Raises ConfigError where nobody can be asked; exits with 1 for a no."""
    from common.errors import ConfigError
    from common.text import escape
    from floorline.cli.execution import confirm
    from floorline.setup.creation import find_existing
    from floorline.setup.prompts import person_answers

    existing = " and ".join(escape(str(path)) for path in find_existing(request))
    if not existing or force:
        return
    if not person_answers():
        raise ConfigError(
            f"{existing} exists already: --force replaces it, --config FILE writes another file"
        )
    confirm(f"{existing} exists already. Replace it?")
