"""Who may talk to the studio: a token once, then a session cookie; and nobody on behalf of another site."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doublecast.studio.config import StudioConfig
from doublecast.trust.keys import keys_folder, read_secret, write_secret

LASTS = 7 * 24 * 3600  #: seconds that a session is good for
LINK_LASTS = 24 * 3600.0  #: seconds that an unused link is good for
WRONG_WAIT = 0.5  #: seconds between two guesses of a token, for everybody together
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = ("/static/studio.css", "/static/login.css")  #: what may be fetched without a session
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' ws: wss:; "
        "worker-src 'self' blob:; frame-ancestors 'self'; base-uri 'self'; form-action 'self'; object-src 'none'"
    ),
}  #: 'unsafe-inline' and 'unsafe-eval' are what NiceGUI's own page and Vue's templates need


class Access:
    """The tokens and sessions of one studio.

    Sessions are signed (HMAC-SHA256) with a secret in the user's keys folder, so they outlive a restart of the server
    and need no list; they are good for one folder of productions only.
    """

    def __init__(self, config: StudioConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._links: dict[str, float] = {}
        self._next_guess = 0.0
        folder = str(config.folder.resolve()).encode("utf-8", "surrogateescape")
        self._secret = hmac.digest(_secret(), folder + b"\0" + (config.token or "").encode(), "sha256")
        self.cookie = f"doublecast_{hashlib.sha256(folder).hexdigest()[:10]}"

    def link_token(self) -> str:
        """A new token that opens the studio once."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            now = time.monotonic()
            self._links = {known: until for known, until in self._links.items() if until > now}
            self._links[token] = now + LINK_LASTS
        return token

    def redeem(self, token: str) -> bool:
        """Whether a token opens the studio: the user's own at any time, a link's once. Slows down who guesses."""
        with self._lock:
            now = time.monotonic()
            if now < self._next_guess:
                return False
            own = self._config.token is not None and hmac.compare_digest(token.encode(), self._config.token.encode())
            if own or self._links.pop(token, 0.0) > now:
                return True
            self._next_guess = now + WRONG_WAIT
            return False

    def session(self) -> str:
        """A new session's cookie value."""
        body = f"{secrets.token_hex(8)}.{int(time.time()) + LASTS}"
        return f"{body}.{self._sign(body)}"

    def valid(self, session: str) -> bool:
        """Whether a cookie's value is a session of ours that has not ended."""
        body, _, signature = session.rpartition(".")
        until = body.rpartition(".")[2]
        sound = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(body).encode())
        return sound and until.isascii() and until.isdigit() and int(until) > time.time()

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode("utf-8", "replace"), "sha256").hexdigest()


def _secret() -> bytes:
    path = keys_folder() / "studio.secret"
    if not path.exists():
        write_secret(path, secrets.token_bytes(32))
    return read_secret(path)


class Gate:
    """ASGI middleware in front of everything, for HTTP and WebSocket alike.

    Refused: a Host that is not ours (DNS rebinding), anything without a session, and writing requests and WebSockets
    that another site's page sends (`Origin`, `Sec-Fetch-Site`).
    """

    def __init__(self, app: ASGIApp, access: Access, config: StudioConfig, hosts: Iterable[str] = ()) -> None:
        self._app, self._access, self._config = app, access, config
        self._hosts = {"127.0.0.1", "localhost", "[::1]", *hosts} if config.loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let pass."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = Request({**scope, "type": "http", "method": scope.get("method", "GET")})
        refusal = self._refusal(request, scope["type"])
        if refusal is not None:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 4403})
            else:
                await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, receive, _with_headers(send))

    def _refusal(self, request: Request, kind: str) -> Response | None:
        """The answer instead of the application's, None where the request may pass."""
        host = request.headers.get("host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if self._hosts is not None and name.lower() not in self._hosts:
            return PlainTextResponse("This is not the address of the studio.", 421)
        writes = kind == "websocket" or request.method not in SAFE
        if writes and not _same_origin(request, host):
            return PlainTextResponse("Refused: this request comes from another site.", 403)
        if request.url.path == "/login" and request.method == "POST":
            return None  # answered by the login route, which asks for the token itself
        if kind == "http" and request.method == "GET" and "token" in request.query_params:
            return self._enter(request)
        if self._access.valid(_cookie(request, self._access.cookie)) or request.url.path in OPEN:
            return None
        return login_page(with_form=self._config.token is not None)

    def _enter(self, request: Request) -> Response:
        """Answer to a link with a token: a session, and the same address without the token."""
        if self._access.valid(_cookie(request, self._access.cookie)):
            return RedirectResponse(_without_token(request), 303)
        if not self._access.redeem(request.query_params["token"]):
            return login_page(with_form=self._config.token is not None, wrong=True)
        return self.opened(_without_token(request))

    def opened(self, where: str) -> Response:
        """A redirect that brings a session."""
        answer = RedirectResponse(where, 303)
        answer.set_cookie(
            self._access.cookie, self._access.session(), max_age=LASTS, httponly=True, samesite="strict", path="/"
        )
        return answer


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            extra = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending


def _same_origin(request: Request, host: str) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or (urlsplit(origin).netloc.lower() == host.lower() and origin != "null")


def _cookie(request: Request, name: str) -> str:
    try:
        jar = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""


def _without_token(request: Request) -> str:
    rest = urlencode([(k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k != "token"])
    path = "/" + request.url.path.lstrip("/\\")  # never //elsewhere
    return f"{path}?{rest}" if rest else path


def login_page(*, with_form: bool, wrong: bool = False) -> Response:
    """What somebody without a session sees."""
    template = (Path(__file__).parent / "static" / "login.html").read_text("utf-8")
    form = (
        '<form method="post" action="/login"><label for="token">Password</label>'
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
        "<button>Open the studio</button></form>"
    )
    words = "<p>Open the link that <code>doublecast studio</code> printed. Each link opens the studio once; a studio "
    words += "that is open makes further links (menu, “Link for another browser”).</p>"
    note = '<p role="alert" class="wrong">That did not work: the link was used already, or the password is wrong.</p>'
    body = (note if wrong else "") + (form if with_form else words)
    return HTMLResponse(template.replace("{{body}}", body), 401, headers={"cache-control": "no-store"})
