"""The frame around every page: header, navigation, theme, and the overlay that lists the keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from doublecast import __version__
from doublecast.errors import DoublecastError

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

Keys = Sequence[tuple[str, str]]  #: (key as it is written, what it does)
SECTIONS = (("faces", "Faces"), ("train", "Train"), ("film", "Film"))
EVERYWHERE: Keys = (("?", "Show or hide this list"), ("g p", "Productions"), ("g v", "Verify"), ("t", "Light or dark"))
IN_PRODUCTION: Keys = (("g f", "Faces"), ("g t", "Train"), ("g m", "Film"))
THEME = "doublecast_theme"  #: cookie that remembers light or dark


def path_of(name: str, section: str = "faces") -> str:
    """Address of a production's page."""
    return f"/p/{quote(name, safe='', errors='replace')}/{section}"


@contextmanager
def frame(
    studio: "Studio", request: Request, title: str, *, section: str, name: str | None = None, keys: Keys = ()
) -> Iterator[None]:
    """Everything around a page's content, which is made inside the context.

    title: of the window and of the page's one h1 (visually hidden where the page shows its own). section: which link
    is the present one: "productions", "verify", or one of `SECTIONS`. name: of the production the page is about.
    keys: the page's own keys for the overlay; the page itself listens to them.
    """
    theme = request.cookies.get(THEME)
    ui.dark_mode({"dark": True, "light": False}.get(theme or ""))
    ui.add_head_html(f'<link rel="stylesheet" href="/static/studio.css?{__version__}">')
    ui.add_head_html(f'<script defer src="/static/studio.js?{__version__}"></script>')
    ui.page_title(f"{title} · doublecast")
    with ui.element("header").classes("dc-header"):
        ui.html('<a class="dc-skip" href="#main">Skip to the page</a>', sanitize=False, tag="div")
        with ui.element("nav").classes("dc-nav").props('aria-label="Studio"'):
            _link("/", "doublecast", current=False, brand=True)
            _link("/", "Productions", current=section == "productions")
            if name is not None:
                ui.label("/").classes("dc-sep").props('aria-hidden="true"')
                ui.label(name).classes("dc-name")
                for key, words in SECTIONS:
                    _link(path_of(name, key), words, current=section == key)
            ui.element("span").classes("dc-space")
            _link("/verify", "Verify", current=section == "verify")
            _tools(studio)
    _overlay([*keys, *(IN_PRODUCTION if name is not None else ()), *EVERYWHERE])
    with ui.element("div").classes("dc-main").props("id=main tabindex=-1"):  # in the <main> that is around all pages
        ui.html(escape(title), sanitize=False, tag="h1").classes(
            "dc-hidden" if section in ("faces", "film") else "dc-title"
        )
        yield


def _link(where: str, words: str, *, current: bool, brand: bool = False) -> None:
    link = ui.element("a").props(f'href="{where}"').classes("dc-brand" if brand else "dc-link")
    if current:
        link.props('aria-current="page"')
    with link:
        ui.label(words)


def _tools(studio: "Studio") -> None:
    async def invite() -> None:
        address = await ui.run_javascript("location.origin")
        text.set_text(f"{address}/?token={studio.access.link_token()}")
        dialog.open()

    with ui.dialog().props('aria-label="Link for another browser"') as dialog, ui.card():
        ui.label("Opens this studio once, in another browser of somebody you trust. Good for a day.")
        text = ui.label().classes("dc-code")
        ui.button("Close", on_click=dialog.close).props("flat no-caps")
    for icon, words, what in (("contrast", "Light or dark", "theme"), ("keyboard", "Keys", "keys")):
        ui.button(icon=icon).props(f'flat round dense aria-label="{words}" title="{words}" data-dc="{what}"')
    if studio.config.token is None:
        words = "Link for another browser"
        ui.button(icon="person_add", on_click=invite).props(f'flat round dense aria-label="{words}" title="{words}"')


def _overlay(keys: Keys) -> None:
    rows = "".join(
        f"<dt>{''.join(f'<kbd>{part}</kbd>' for part in key.split())}</dt><dd>{what}</dd>" for key, what in keys
    )
    ui.html(
        '<dialog id="dc-keys" class="dc-keys" aria-labelledby="dc-keys-title"><h2 id="dc-keys-title">Keys</h2>'
        f'<dl>{rows}</dl><form method="dialog"><button class="dc-button">Close</button></form></dialog>',
        sanitize=False,
    )


class Part(ui.element):
    """A component that shows a part of a production, and loads and follows it by itself."""

    def __init__(self, production: str) -> None:
        super().__init__()
        self.props["production"] = production


def exists(studio: "Studio", name: str) -> bool:
    """Whether there is a production of this name; where there is none the page says so."""
    try:
        studio.config.production(name)
    except DoublecastError as error:
        problem(str(error))
        return False
    return True


def empty(words: str, *, action: tuple[str, str] | None = None) -> None:
    """What stands where there is nothing yet: what it is, and what to do next. action: (words, address)."""
    with ui.element("div").classes("dc-empty"):
        ui.label(words)
        if action is not None:
            with ui.element("a").props(f'href="{action[1]}"').classes("dc-button"):
                ui.label(action[0])


def problem(words: str) -> None:
    """An error where it happened, in the words of the command line."""
    with ui.element("div").classes("dc-problem").props('role="alert"'):
        ui.label(words)
