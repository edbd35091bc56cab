"""Who may talk to the studio: a token once, then a session cookie; and nobody on behalf of another site."""

import asyncio
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doublecast.studio.config import StudioConfig
from doublecast.trust.keys import keys_folder, read_secret, write_secret

LASTS = 7 * 24 * 3600  #: seconds that a session is good for
LINK_LASTS = 24 * 3600.0  #: seconds that an unused link is good for
WRONG_WAIT = 0.5  #: seconds between two guesses of a token, for everybody together
SAFE = ("GET", "HEAD", "OPTIONS")
LOGIN, UPLOADS = "/login", "/api/uploads"
SLOWEST_FORM = 10.0  #: seconds that it may take to arrive
LONGEST_FORM = 4096  #: bytes of the form with the password
LONGEST_BODY = 16 << 20  #: bytes of any other body but an upload's
HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")  #: name or address, and port
USED = "That did not work: the link was used already, is too old, or belongs to a studio that has ended."
WRONG = "That did not work: the password is wrong."
WAIT = "That did not work: somebody typed a wrong password a moment ago. Try again."
LINK = ("navigate", "document")  #: what a browser says of a followed link: mode and destination
OPEN = ("/static/studio.css", "/static/login.css")  #: what may be fetched without a session
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
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
        """Whether a link's token is good; it is used up by this. 192 random bits need no slowing down of guesses."""
        with self._lock:
            return self._links.pop(token, 0.0) > time.monotonic()

    def password(self, token: str) -> bool | None:
        """Whether this is the user's own token; None where another was wrong a moment ago, and this was not looked at.

        Who guesses gets one try in `WRONG_WAIT` seconds, all guessers together.
        """
        with self._lock:
            now = time.monotonic()
            if now < self._next_guess or self._config.token is None:
                return None
            right = hmac.compare_digest(token.encode("utf-8", "replace"), self._config.token.encode())
            self._next_guess = 0.0 if right else now + WRONG_WAIT
            return right

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

    Refused: a Host that is not ours (DNS rebinding), anything without a session, and whatever another site's page sends
    or loads (`Origin`, `Sec-Fetch-Site`), but for following a link to a page. Bodies are bounded, those of uploads by
    their own route. Paths are compared as the application will see them, never as part of a rebuilt address.
    """

    def __init__(self, app: ASGIApp, access: Access, config: StudioConfig, hosts: Iterable[str] = ()) -> None:
        self._app, self._access, self._config = app, access, config
        self._hosts = {"127.0.0.1", "localhost", "[::1]", *hosts} if config.loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let pass."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = Request({**scope, "type": "http", "method": scope.get("method", "GET")}, receive)
        answer = self._refusal(request, scope["type"])
        if answer is None and scope["type"] == "http" and scope["path"] == LOGIN:
            answer = await self._login(request)
        if answer is None:
            bounded = receive if scope["type"] == "websocket" else _bounded(request, receive)
            await self._app(scope, bounded, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403})
        else:
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, request: Request, kind: str) -> Response | None:
        """The answer instead of the application's, None where the request may pass."""
        host, path = request.headers.get("host", ""), request.scope["path"]
        shape = HOST.fullmatch(host)
        if shape is None or (self._hosts is not None and shape[1].lower() not in self._hosts):
            return PlainTextResponse("This is not the address of the studio.", 421)
        if not _from_here(request, host, follows=kind == "http" and not path.startswith("/api/")):
            return PlainTextResponse("Refused: this request comes from another site.", 403)
        if kind == "http" and path == LOGIN:
            return None  # answered by `_login`
        if kind == "http" and request.method == "GET" and "token" in request.query_params:
            return self._enter(request)
        if self._inside(request) or (kind == "http" and path in OPEN):
            return None
        if path.startswith("/api/"):
            return JSONResponse({"error": "This browser is not let in (any more): open the studio's link again."}, 401)
        return login_page(with_form=self._config.token is not None)

    def _inside(self, request: Request) -> bool:
        return self._access.valid(_cookie(request, self._access.cookie))

    def _enter(self, request: Request) -> Response:
        """Answer to a link with a token: a session, and the same address without the token, which is used up."""
        good = self._access.redeem(request.query_params["token"])
        if self._inside(request):
            return RedirectResponse(_without_token(request), 303)
        if not good:
            return login_page(with_form=self._config.token is not None, note=USED)
        return self._opened(_without_token(request))

    async def _login(self, request: Request) -> Response:
        """The form in which the user's own token is typed."""
        if request.method != "POST":
            return RedirectResponse("/", 303)
        body = b""
        try:
            async with asyncio.timeout(SLOWEST_FORM):
                async for part in request.stream():
                    body += part
                    if len(body) > LONGEST_FORM:
                        return PlainTextResponse("Refused: this is no password.", 413)
        except (TimeoutError, ClientDisconnect):  # from anybody, so it is not worth a line in the log
            return PlainTextResponse("Refused: the form did not arrive.", 408, headers={"connection": "close"})
        given = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)).get("token", "")
        right = self._access.password(given)
        if right:
            return self._opened("/")
        with_form = self._config.token is not None
        return login_page(with_form=with_form, note=WRONG if right is False or not with_form else WAIT)

    def _opened(self, where: str) -> Response:
        """A redirect that brings a session."""
        answer = RedirectResponse(where, 303, headers={"cache-control": "no-store"})
        answer.set_cookie(
            self._access.cookie, self._access.session(), max_age=LASTS, httponly=True, samesite="lax", path="/"
        )  # lax: a link from a mail opens the studio; what other sites could do with it is refused by `_from_here`
        return answer


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            extra = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending


def _bounded(request: Request, receive: Receive) -> Receive:
    """The same body, but broken off as by a lost connection where it is longer than any route reads into memory."""
    if request.method in SAFE or request.scope["path"] == UPLOADS:
        return receive
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= LONGEST_BODY else {"type": "http.disconnect"}

    return receiving


def _from_here(request: Request, host: str, *, follows: bool) -> bool:
    """Whether a request is our own page's, the user's, or no browser's. follows: links of other sites may lead here."""
    headers = request.headers
    if follows and request.method in SAFE and (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == LINK:
        return True
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    try:
        return origin is None or (origin != "null" and urlsplit(origin).netloc.lower() == host.lower())
    except ValueError:
        return False


def _cookie(request: Request, name: str) -> str:
    try:
        jar = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""


def _without_token(request: Request) -> str:
    query = request.scope.get("query_string", b"").decode("latin-1")
    rest = urlencode([(k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k != "token"])
    path = "/" + quote(request.scope["path"].lstrip("/\\"))  # never //elsewhere
    return f"{path}?{rest}" if rest else path


def login_page(*, with_form: bool, note: str = "") -> Response:
    """What somebody without a session sees."""
    template = (Path(__file__).parent / "static" / "login.html").read_text("utf-8")
    form = (
        '<form method="post" action="/login"><label for="token">Password</label>'
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
        "<button>Open the studio</button></form>"
    )
    words = "<p>Open the link that <code>doublecast studio</code> printed. Each link opens the studio once; a studio "
    words += "that is open makes further links (menu, “Link for another browser”).</p>"
    told = f'<p role="alert" class="wrong">{note}</p>' if note else ""
    body = told + (form if with_form else words)
    return HTMLResponse(template.replace("{{body}}", body), 401, headers={"cache-control": "no-store"})
