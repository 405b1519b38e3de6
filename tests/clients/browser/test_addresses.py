"""Which URL socketio.js asks, on pages with a host and on pages without one."""

import pytest

from django_socketio.events import on_connect
from tests.clients.browser.pages import js

EXPECTED = 'socket.io: expected the URL of a server, such as "https://example.com"'

RECORD = """
  const base = document.createElement("base");
  base.href = "https://evil.example/elsewhere/";
  document.head.append(base);
  const asked = [];
  window.WebSocket = class { constructor(url) { asked.push(url); } close() {} };
  window.fetch = (url) => { asked.push(url); return new Promise(() => 0); };
"""


RESOLVE = """
  const resolve = (args) => {
    try {
      new io.Socket(...args).connect().disconnect();
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
    return asked.shift().replace(location.host, "page");
  };
  return arg.map((args) => resolve(args.map((one) => (one?.url ? new URL(one.url) : one))))"""

ADDRESSES = {
    "": "ws://page/socket.io/",
    "/admin": "ws://page/socket.io/",
    " https://example.com\n": "wss://example.com/socket.io/",
    "HTTPS://Example.com": "wss://example.com/socket.io/",
    "WSS://example.com": "wss://example.com/socket.io/",
    "http://example.com:80": "ws://example.com/socket.io/",
    "http://example.com/a?b=//evil.example": "ws://example.com/socket.io/",
    "http://example.com\\@evil.example": "ws://example.com/socket.io/",
    "//example.com": "ws://example.com/socket.io/",
    "[::1]:81": "ws://[::1]:81/socket.io/",
    "http://ann:pw@example.com": "ws://ann:pw@example.com/socket.io/",
}
WITH_OPTIONS = [
    ([None], "ws://page/socket.io/"),
    (["http://example.com", {"port": 81}], "ws://example.com:81/socket.io/"),
    (["http://example.com", {"secure": True}], "ws://example.com/socket.io/"),
    (["//example.com", {"secure": True}], "wss://example.com/socket.io/"),
    (["example.com:80", {"port": 81}], "ws://example.com/socket.io/"),
    ([{"path": "//evil.example/a"}], "ws://page/evil.example/a/"),
    ([{"path": "a?b#c"}], "ws://page/a%3Fb%23c/"),
    ([{"url": "https://example.com/admin"}], "wss://example.com/socket.io/"),
]


def test_the_url_is_that_of_the_server_that_was_meant(page):
    cases = [*[([text], url) for text, url in ADDRESSES.items()], *WITH_OPTIONS]
    urls = js(page, RECORD + RESOLVE, [args for args, _ in cases])
    for (args, expected), url in zip(cases, urls, strict=True):
        asked, _, query = url.partition("?")
        assert (args, asked) == (args, expected)
        assert query.endswith("EIO=4&transport=websocket")


NO_SERVERS = [
    ["http:///admin"],
    ["https://"],
    ["//"],
    ["///evil.example"],
    ["https:/example.com"],
    ["https:example.com"],
    ["ftp://example.com"],
    ["chrome-extension://example"],
    ["javascript:alert(1)"],
    ["http://["],
    ["::1"],
    ["https://?token=secret"],
    [9000],
    ["example.com", {"port": "abc"}],
    ["example.com", {"port": "80@evil.example"}],
    ["example.com", {"port": 70000}],
]


def test_what_is_no_server_is_an_error_that_says_so(page):
    errors = js(page, RECORD + RESOLVE, NO_SERVERS)
    for args, error in zip(NO_SERVERS, errors, strict=True):
        came = str(args[0]).partition("?")[0]  # without the tokens of a query
        assert error.startswith(f'Error: {EXPECTED}, not "{came}" with the port "')


# Pages without a host

SCRIPT = '<script src="http://127.0.0.1:{port}/static/django_socketio/socketio.js"></script>'


FRAME = """
  const frame = document.createElement("iframe");
  Object.assign(frame, arg);
  const loaded = new Promise((done) => { frame.onload = done; });
  document.body.append(frame);
  await loaded"""


def srcdoc(page, html, tmp_path):
    js(page, FRAME, {"srcdoc": html})
    return page.frames[1]


def sandboxed(page, html, tmp_path):
    js(page, FRAME, {"srcdoc": html, "sandbox": "allow-scripts"})
    return page.frames[1]


def blob(page, html, tmp_path):
    code = "return URL.createObjectURL(new Blob([arg], {type: 'text/html'}))"
    with page.expect_navigation():
        page.evaluate("(url) => { location = url; }", js(page, code, html))
    return page


def blank(page, html, tmp_path):
    js(page, FRAME, {"src": "about:blank"})
    page.frames[1].add_script_tag(url=html.split('"')[1])
    return page.frames[1]


def data(page, html, tmp_path):
    js(page, FRAME, {"src": f"data:text/html,{html}"})
    return page.frames[1]


def file(page, html, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(html)
    page.goto(path.as_uri())
    return page


PAGES = {
    "about:srcdoc": srcdoc,
    "about:srcdoc, sandboxed": sandboxed,
    "about:blank": blank,
    "blob:": blob,
    "data:": data,
    "file:": file,
}


@pytest.mark.own_window
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_without_a_host_asks_nobody_and_says_what_to_give(serve, visit, tmp_path, kind, log):
    @on_connect
    def came(request, socket, context):
        log(request.GET["token"])

    server = serve(ALLOWED_ORIGINS=["null"])
    page = visit(server, "/elsewhere/")
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page = PAGES[kind](page, SCRIPT.format(port=server.port), tmp_path)
    asked.clear()
    code = """
      const options = {query: {token: "secret"}};
      const failure = (...args) => {
        try { io(...args); } catch (error) { return error.message; }
      };
      return [[options], ["", options], ["/admin", options], [null, options],
        ["example.com", options], ["//example.com", options]].map((args) => failure(...args))"""
    wrong = f"{EXPECTED}: a page at {kind.partition(':')[0]}: has none of its own"
    assert js(page, code) == [wrong] * 6
    assert asked == []
    code = """
      const options = {query: {token: "secret"}};
      const sockets = ["websocket", "polling"].map((name) =>
        io(`http://${arg}`, {...options, transports: [name]}));
      sockets.push(io(arg, {...options, secure: false}));
      await until(() => sockets.every((socket) => socket.connected))"""
    js(page, code, f"127.0.0.1:{server.port}")
    log.until(["secret"] * 3)
