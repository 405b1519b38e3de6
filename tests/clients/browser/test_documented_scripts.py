"""The scripts of the documentation, each run in a page with our client or the official one."""

import pytest
from playwright.sync_api import Error

from django_socketio.events import on_event, on_subscribe
from tests.clients.browser.pages import js
from tests.kit.pages import all_blocks

OFFICIAL = {"socket.recovered", "https://example.com/mobile"}
"""Parts of scripts for the official client."""

SITE = ["ack", "body", "freshToken", "item", "list", "order", "position", "reload", "show"]
SITE += ["showLogin", "stored", "token", "url"]
"""Names that the scripts of a site have."""

SCRIPTS = [block for block in all_blocks() if block.language == "javascript"]

RUN = """
  const handler = { get: (_, name) => (name === Symbol.toPrimitive ? () => "" : site) };
  const site = new Proxy(function () {}, { ...handler, apply: () => site });
  const defines = (name) => new RegExp(`(const|let|function) ${name}\\\\b`).test(arg.code);
  const given = Object.fromEntries(arg.names.map((name) => [name, site]));
  given.socket = io({ autoConnect: false });
  const names = Object.keys(given).filter((name) => !defines(name));
  const run = Object.getPrototypeOf(async () => {}).constructor(...names, arg.code);
  await run(...names.map((name) => given[name]));
"""


@pytest.fixture(autouse=True)
def _handlers():
    on_subscribe(lambda request, socket, context, channel: None)
    on_event("order")(lambda request, socket, context, *args: 1)


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_a_script_runs(server, visit, block):
    is_official = any(part in block.text for part in OFFICIAL)
    page = visit(server, "/official/" if is_official else "/live/")
    code = block.text.replace("=> …", "=> undefined").replace("{ … }", "{}")
    try:
        js(page, RUN, {"code": code, "names": SITE})
    except Error as error:
        pytest.fail(f"{block}: {error.message}\n{code}")
