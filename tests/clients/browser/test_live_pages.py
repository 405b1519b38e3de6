"""live.js: pages that fragments of templates change."""

from functools import partial

import pytest
from django.db import connection
from django.test import override_settings
from playwright.sync_api import expect

from django_socketio import emit_template, publish_model, sign_channel
from django_socketio.events import on_subscribe, on_unsubscribe
from django_socketio.relay.topics import channel_topic
from tests.clients.browser import live_site
from tests.clients.browser.live_site import LOG, Card, Site
from tests.clients.browser.pages import js


@pytest.fixture(autouse=True)
def _live_site(_site):
    Site.reset()
    with override_settings(ROOT_URLCONF=live_site.__name__, TEMPLATES=live_site.TEMPLATES):
        yield
        Site.is_open = True


@pytest.fixture
def server(serve, log):
    @on_subscribe
    def note(request, socket, context, channel):
        log(channel)

    @on_unsubscribe
    def note_end(request, socket, context, channel):
        log(f"not {channel}")

    return serve()


@pytest.fixture
def send(server):
    """Send a fragment: ``send("append", "<p>…</p>", target="#log")``."""

    def send(swap, html=None, **options):
        template = (None, None) if html is None else ("fragment.html", {"html": html})
        server.call(lambda: emit_template(*template, swap=swap, **{"channel": "room", **options}))

    return send


@pytest.fixture
def open_page(visit, server):
    """Open a page with a body, and wait until its elements are on their channels."""

    def start(body=LOG, path="/"):
        Site.body = body
        page = visit(server, path)
        js(page, SUBSCRIBED)
        return page

    return start


SUBSCRIBED = """
  await until(() => io.live.socket.connected);
  for (const { dataset: { socketioLive } } of document.querySelectorAll("[data-socketio-live]")) {
    await until(() => io.live.socket.channels.includes(socketioLive));  // by live.js itself
    await new Promise((done) => io.live.socket.subscribe(socketioLive, done));
  }"""


def html(page, selector="#log"):
    return page.locator(selector).inner_html()


def test_each_swap_changes_the_page(open_page, send):
    page = open_page('<div id="all"><ul {% socketio_live "room" %} id="log"></ul></div>')
    for swap, sent, expected in [
        ("append", "<li>b</li>", "<ul><li>b</li></ul>"),
        ("append", "c", "<ul><li>b</li>c</ul>"),
        ("prepend", "<li>a</li>", "<ul><li>a</li><li>b</li>c</ul>"),
        ("before", "<i>1</i>", "<i>1</i><ul><li>a</li><li>b</li>c</ul>"),
        ("after", "<i>2</i>", "<i>1</i><ul><li>a</li><li>b</li>c</ul><i>2</i>"),
        ("update", "<li>d</li>", "<i>1</i><ul><li>d</li></ul><i>2</i>"),
    ]:
        send(swap, sent)
        page.wait_for_function(
            """(expected) => document.querySelector("#all").innerHTML
                 .replace(/<ul [^>]*>/, "<ul>") === expected""",
            arg=expected,
        )
    send("replace", "<ol><li>e</li></ol>")
    expect(page.locator("#all > ol > li")).to_have_text(["e"])
    own = js(page, "return io.live.socket.id")  # for the element on the channel is gone
    send("remove", target="#all > i, #all > ol", session_id=own, channel=[])
    expect(page.locator("#all > *")).to_have_count(0)


def test_an_element_on_a_channel_without_live_js_is_told(visit, server):
    def is_told(message):
        return "write {% socketio live=True %}" in message.text

    told = []
    page = visit(server)
    page.on("console", lambda message: told.append(message.text) if is_told(message) else None)
    page.reload()
    assert told == []
    Site.tag = "{% socketio %}"
    with page.expect_console_message(is_told):
        page.reload()
    told.clear()
    Site.body = "no such element"
    page.reload()
    assert told == []


def test_a_selector_names_elements_anywhere_in_the_page(open_page, send):
    page = open_page('<b class="count">1</b><b class="count">1</b>')
    own = js(page, "return io.live.socket.id")
    send("update", "2", target=".count", session_id=own, channel=[])
    expect(page.locator(".count")).to_have_text(["2", "2"])


def test_rows_of_tables_are_no_other_than_other_elements(open_page, send):
    page = open_page('<table><tbody {% socketio_live "room" %} id="log"></tbody></table>')
    send("append", '<tr id="r1"><td>1</td></tr>')
    send("append", '<tr id="r2"><td>2</td></tr>')
    send("replace", '<tr id="r1"><td>one</td></tr>', target="#r1")
    expect(page.locator("#log > tr > td")).to_have_text(["one", "2"])


@pytest.mark.parametrize("swap", ["append", "prepend", "before", "after"])
def test_an_element_that_is_there_already_is_replaced_where_it_is(open_page, send, swap):
    page = open_page()
    target = "#log" if swap in ("append", "prepend") else "#old"
    send("append", '<li id="m1">1</li>\n<li id="m2">2</li>\n')
    before = "return document.querySelector('#log').childNodes.length"
    expect(page.locator("#m2")).to_be_attached()
    nodes = js(page, before)
    send(swap, '<li id="m1">one</li>\n', target=target)  # with the end of a line
    expect(page.locator("#log > li")).to_have_text(["old", "one", "2"])
    assert js(page, before) == nodes
    send("update", '<b id="m1">another place</b>', target="#old")
    expect(page.locator("#old > #m1")).to_have_text("another place")


@pytest.mark.own_window
def test_a_missing_target_is_no_error(open_page, send):
    page = open_page()
    texts = []
    page.on("console", lambda message: texts.append((message.type, message.text)))
    send("update", "x", target="#nowhere")
    send("append", "<li>next</li>")
    expect(page.locator("#log > li")).to_have_text(["old", "next"])
    assert ("debug", "socketio: nothing to update: no element #nowhere") in texts


def test_elements_come_and_go(open_page, send, log):
    page = open_page()
    send("update", '<li data-socketio-live="hall" id="hall"></li>')
    log.until(["room", "hall"])
    send("append", "<p>in the hall</p>", channel="hall")
    expect(page.locator("#hall > p")).to_have_text("in the hall")
    send("update", "")
    log.until(["room", "hall", "not hall"])


RUN_AGAIN = """
  for (const old of [...document.querySelectorAll("script[src]")]) {
    const script = document.createElement("script");
    for (const {name, value} of old.attributes) script.setAttribute(name, value);
    await new Promise((done) => { script.onload = done; old.replaceWith(script); });
  }"""


def test_scripts_that_run_again_change_nothing(open_page, send):
    """As where the page is replaced as a whole without being loaded: Turbo and others do that."""
    page = open_page("{% socketio live=True %}" + LOG)
    js(page, f"const before = io; {RUN_AGAIN}; if (io !== before) throw new Error('another io')")
    send("append", "<li>once</li>")
    send("append", "<li>end</li>")
    expect(page.locator("#log > li")).to_have_text(["old", "once", "end"])


def test_listeners_are_told_and_may_prevent_a_change(open_page, send):
    page = open_page()
    js(
        page,
        """
        document.addEventListener("socketio:before-fragment", (event) => {
          if (event.detail.html === "no") event.preventDefault();
        });
        document.addEventListener("socketio:fragment", ({target, detail}) =>
          seen.push([target.id, detail.swap, detail.html]));""",
    )
    send("update", "no")
    send("update", "yes")
    expect(page.locator("#log")).to_have_text("yes")
    assert js(page, "return seen") == [["log", "update", "yes"]]


SIGNED = """{% socketio_channel "room" anyone=True as channel %}
  <ul {% socketio_live channel %} id="log"></ul><p {% socketio_live "room" %}></p>"""


def test_a_signed_channel_needs_no_handler_and_the_page_is_not_stale(serve, visit):
    server = serve(SIGNED_ONLY=[".*"])
    append = partial(emit_template, "fragment.html", channel="room", swap="append")
    Site.body, Site.after_rendering = SIGNED, partial(append, {"html": "<li>before</li>"})
    page = visit(server)
    expect(page.locator("#log > li")).to_have_text(["before"])
    server.call(append, {"html": "<li>after</li>"})
    expect(page.locator("#log > li")).to_have_text(["before", "after"])
    expect(page.locator("p > li")).to_have_text(["before", "after"])


FORM = """<form {% socketio_live "room" %} id="form">
  <label for="name">Name</label> <input id="name" value="Ann">
  <div id="part"><textarea name="text">a</textarea></div>
  <input type="radio" name="size" value="s" checked><input type="radio" name="size" value="l">
  <select name="state" id="state"><option>new</option><option>sent</option></select>
  <select name="other" id="other"><option>new</option><option>sent</option></select>
  <input name="untouched" value="old"> <button id="save" type="button">Save</button></form>"""
NEW_FORM = (
    FORM.partition("\n")[2]
    .replace("Name", "New name")
    .replace('"Ann"', '"Bob"')
    .replace(">a<", ">b<")
    .replace("old", "new")
    .replace("Save", "Store")
    .replace("<option>sent", "<option selected>sent")
    .replace("</form>", "")
)
WITHOUT = "delete Element.prototype.moveBefore; "


def test_an_element_whose_token_is_refused_is_loaded_again_with_a_new_one(visit, serve):
    """As where a browser shows a page of yesterday again, or the login has changed."""
    with override_settings(SECRET_KEY="old"):
        old = sign_channel("room", anyone=True, since=None)
    new = """{% socketio_channel "room" anyone=True as room %}
      <p {% socketio_live room %} id="room">"""
    Site.body = f'<p data-socketio-live="room" data-socketio-token="{old}" id="room">'
    page = visit(serve(SIGNED_ONLY=True))
    Site.body = new + "today"
    expect(page.locator("#room")).to_have_text("today")
    js(page, "await until(() => io.live.socket.channels.includes('room'))")
    with override_settings(SECRET_KEY="another"):
        Site.body = new + "tomorrow"
        page.context.set_offline(True)
        js(page, "await until(() => !io.live.socket.connected)")
        page.context.set_offline(False)
        expect(page.locator("#room")).to_have_text("tomorrow")
        js(page, "await until(() => io.live.socket.channels.includes('room'))")


@pytest.mark.parametrize("can_move", [True, False], ids=["moveBefore", "before"])
def test_a_form_that_is_filled_in_stays_as_it_is(open_page, send, can_move):
    page = open_page(FORM)
    js(page, "" if can_move else WITHOUT)
    page.fill("[name=text]", "my text")
    page.check("[value=l]")
    page.select_option("#state", "sent")
    page.select_option("#state", "new")  # as it was, so that it takes the new value
    page.fill("#name", "Anna")
    js(page, "document.querySelector('#name').setSelectionRange(1, 3, 'backward')")
    js(page, "document.querySelector('#name').addEventListener('blur', noted('blur'))")
    send("update", NEW_FORM)
    expect(page.locator("label")).to_have_text("New name")
    found = js(
        page,
        """
        const {id, value, selectionStart, selectionEnd} = document.activeElement;
        const form = document.forms[0], {text, size, state, other, untouched} = form.elements;
        const fields = [text, size, state, other, untouched].map((one) => one.value);
        return [id, value, selectionStart, selectionEnd, fields, form.elements.length]""",
    )
    assert found == ["name", "Anna", 1, 3, ["my text", "l", "sent", "sent", "new"], 8]
    page.keyboard.type("X")
    assert "X" in page.input_value("#name")
    assert js(page, "return count('blur')") == (0 if can_move else 1)


def test_a_button_keeps_the_focus_and_gets_its_new_text(open_page, send):
    page = open_page(FORM)
    page.focus("#save")
    send("replace", f'<form id="form" data-socketio-live="room">{NEW_FORM}</form>', target="#form")
    expect(page.locator("#save")).to_have_text("Store")
    expect(page.locator("#save")).to_be_focused()


def test_a_text_that_is_being_edited_stays(open_page, send):
    page = open_page(
        '<div {% socketio_live "room" %} id="log"><p id="p" contenteditable>abc</p></div>'
    )
    page.focus("#p")
    js(page, "getSelection().setBaseAndExtent(p.firstChild, 1, p.firstChild, 2)")
    send("update", '<p id="p" contenteditable>new</p><i>seen</i>')
    expect(page.locator("#log > i")).to_be_attached()
    page.keyboard.type("B")
    expect(page.locator("#p")).to_have_text("aBc")


def test_positions_of_scrolling_stay(open_page, send):
    style = "height: 50px; overflow: auto"
    lines = "<br>" * 50
    body = f'<div {{% socketio_live "room" %}} id="log" style="{style}">{lines}</div>'
    inner = f'<p id="inner" style="{style}; height: 40px">{lines}</p>'
    page = open_page(body + lines)
    scroll = "scrollTo(0, 20); document.querySelector('#log').scrollTop = 30;"
    positions = "return [scrollY, log.scrollTop, document.querySelector('#inner')?.scrollTop]"
    js(page, scroll)
    send("update", inner + lines)
    expect(page.locator("#inner")).to_be_attached()
    js(page, "document.querySelector('#inner').scrollTop = 10")
    send("update", f"{inner}{lines}<i>seen</i>")
    expect(page.locator("#log > i")).to_be_attached()
    assert js(page, positions) == [20, 30, 10]
    send("append", "<b>more</b>")
    expect(page.locator("#log > b")).to_be_attached()
    assert js(page, positions) == [20, 30, 10]


SCRIPT = "<b>x</b><script>seen.push(1)</script><script src='/static/other.js'></script>"


@pytest.mark.parametrize("path", ["/", "/?csp"])
def test_scripts_run_only_where_the_page_asks_for_it(open_page, send, path):
    page = open_page(path=path)
    for swap in ("append", "update"):
        send(swap, SCRIPT)
        expect(page.locator("#log > b")).to_be_attached()
    send("replace", SCRIPT, target="#log")
    expect(page.locator("#log")).not_to_be_attached()
    assert js(page, "return seen") == []
    asks = open_page('<div {% socketio_live "room" scripts=True %} id="log"></div>', path)
    send("append", "<script>seen.push('ran')</script>")
    js(asks, "await until(() => seen.length === 1)")
    assert js(asks, "return seen") == ["ran"]


def test_a_page_with_a_strict_policy_is_live(open_page, send):
    page = open_page(path="/?csp")
    send("append", '<li onclick="seen.push(1)">new</li>')
    page.locator("#log > li", has_text="new").click()
    assert js(page, "return seen") == []


def test_htmx_processes_new_content_and_names_the_socket(open_page, send):
    page = open_page(f'<script src="/htmx.js"></script>{LOG}')
    send("append", '<li><button hx-get="/content/" hx-swap="outerHTML">load</button></li>')
    page.click("button")
    expect(page.locator("#log b")).to_have_text("new")
    assert Site.requests == [js(page, "return io.live.socket.id")]


LAZY = """<div {% socketio_live "room" url="/content/" lazy=True %} id="log"></div>"""
FROM_URL = LAZY.replace(" lazy=True", "")


def test_content_is_loaded_when_the_page_is_there(open_page):
    page = open_page(LAZY)
    expect(page.locator("#log > b")).to_have_text("new")


def test_a_refresh_loads_the_element_from_the_page_itself(open_page, send):
    page = open_page()
    Site.body = LOG.replace("old", "new")
    send("refresh")
    expect(page.locator("#log > #new")).to_have_text("new")


ALIKE = """<p {{% socketio_live "room" %}}>{}</p>
  <p {{% socketio_live "room" %}} id="log">{}</p>
  <p {{% socketio_live "room" %}}>{}</p>"""


def test_elements_without_an_id_are_loaded_each_from_its_own_place(open_page, send):
    page = open_page(ALIKE.format("a", "b", "c"))
    Site.body = ALIKE.format("A", "B", "C")
    send("refresh")
    expect(page.locator("p")).to_have_text(["A", "B", "C"])


@pytest.mark.own_window
def test_elements_without_an_id_stay_where_the_page_has_another_number_of_them(open_page, send):
    page = open_page(ALIKE.format("a", "b", "c"))
    texts = []
    page.on("console", lambda message: texts.append(message.text))
    page.clock.install()
    Site.body = (
        """<p {% socketio_live "room" %}>C</p><p {% socketio_live "room" %} id="log">B</p>"""
    )
    send("refresh")
    page.clock.run_for(600)
    expect(page.locator("p")).to_have_text(["a", "B", "c"])
    send("append", "<b>!</b>", target="body")
    expect(page.locator("body > b")).to_be_attached()
    page.clock.run_for(20_000)
    expect(page.locator("p")).to_have_text(["a", "B", "c"])
    reason = "was not loaded: HTTP 200, 1 instead of 2 elements without an id"
    assert texts == [f"socketio: the content of an element on the channel room {reason}"] * 2


def test_elements_without_an_id_that_have_one_url_get_its_one_content(open_page, send):
    one = '<p {% socketio_live "room" url="/content/" %}>old</p>'
    page = open_page(one + one)
    Site.content = '<h1>page</h1><p data-socketio-live="room">new</p>'
    send("refresh")
    expect(page.locator("body")).to_have_text("newnew")
    Site.content = "newest"
    send("refresh")
    expect(page.locator("p")).to_have_text(["newest", "newest"])


def test_many_refreshes_load_the_content_once(open_page, server):
    page = open_page(FROM_URL)
    server.call(lambda: [emit_template(swap="refresh", channel="room") for _ in range(10)])
    expect(page.locator("#log > b")).to_have_text("new")
    assert len(Site.requests) == 1


def test_a_refresh_during_a_load_loads_the_content_again(open_page, send):
    page = open_page(FROM_URL)
    Site.is_open = False
    with page.expect_request("**/content/"):
        send("refresh")
    Site.content = "<i>newest</i>"
    send("refresh")
    send("append", "<u>marks the end</u>", target="body")
    expect(page.locator("body > u")).to_be_attached()
    Site.is_open = True
    expect(page.locator("#log > i")).to_have_text("newest")


def test_fragments_that_come_during_a_load_are_not_lost(open_page, send):
    page = open_page(FROM_URL)
    Site.content = '<p id="a">old</p><p id="b">old</p>'
    Site.is_open = False
    with page.expect_request("**/content/"):
        send("refresh")
    send("replace", '<p id="a">new</p>', target="#a")  # which is not there yet
    send("append", '<p id="c">new</p>')
    send("append", "<u>elsewhere</u>", target="body")
    expect(page.locator("body > u")).to_have_text("elsewhere")
    Site.is_open = True
    expect(page.locator("#log > p")).to_have_text(["new", "old", "new"])
    expect(page.locator("body > u")).to_have_count(1)


@pytest.mark.own_window
@pytest.mark.parametrize(("status", "again"), [(500, True), (404, False)])
def test_content_that_cannot_be_loaded(open_page, send, status, again):
    page = open_page(FROM_URL)
    page.clock.install()
    Site.status = status
    with page.expect_console_message(lambda message: "was not loaded" in message.text) as told:
        send("refresh")
        with page.expect_request("**/content/"):
            page.clock.run_for(600)
    assert told.value.text == f"socketio: the content of #log was not loaded: HTTP {status}"
    Site.status = 200
    page.clock.run_for(10_000)
    if again:
        expect(page.locator("#log > b")).to_have_text("new")
    else:
        assert len(Site.requests) == 1


def test_the_page_that_has_caused_a_refresh_does_not_load_its_content(open_page):
    page, other = open_page(FROM_URL), open_page(FROM_URL)
    js(page, "await fetch('/change/', {method: 'POST', headers: io.live.headers()})")
    expect(other.locator("#log > b")).to_have_text("new")
    assert Site.requests == [js(other, "return io.live.socket.id")]


@pytest.mark.own_window
def test_nothing_is_applied_twice_after_a_cut(open_page, send):
    page = open_page()
    send("append", '<li id="m1">1</li>')
    expect(page.locator("#m1")).to_be_attached()
    page.context.set_offline(True)
    js(page, "await until(() => !io.live.socket.connected)")
    send("append", '<li id="m2">2</li>')
    page.context.set_offline(False)
    send("append", '<li id="m3">3</li>')
    expect(page.locator("#log > li")).to_have_text(["old", "1", "2", "3"])


COLUMNS = """
  <p id="card-7">outside</p>
  <ul {% socketio_live "one" %} id="one"></ul>
  <ul {% socketio_live "two" %} id="two"><li id="card-7">shown</li></ul>"""


def save(*changes):
    """Save a card, which has been in the column "two", with other columns and texts."""
    with connection.schema_editor() as editor:  # of a database that ends with this call
        editor.create_model(Card)
    Card.objects.bulk_create([Card(pk=7, columns="two")])
    publication = publish_model(Card, lambda card: card.columns.split(), template="card.html")
    card = Card.objects.get()
    for card.columns, card.text in changes:
        card.save()
    publication.stop()
    connection.close()


@pytest.mark.own_window
@pytest.mark.parametrize(
    ("changes", "one", "two"),
    [
        ([("two", "older"), ("one", "newer")], ["newer"], []),
        ([("one", "older"), ("two", "newer")], [], ["newer"]),
        ([("one two", "older"), ("one two", "newer")], ["newer"], ["newer"]),
        ([("one two", "older"), ("one", "newer")], ["newer"], []),
    ],
)
def test_an_object_that_moves_in_a_cut_is_where_it_belongs(
    open_page, server, send, changes, one, two
):
    page = open_page(COLUMNS)
    page.context.set_offline(True)
    js(page, "await until(() => !io.live.socket.connected)")
    server.call(save, *changes)
    for channel in ("one", "two"):
        send("append", "<li>end</li>", channel=channel)
    page.context.set_offline(False)
    expect(page.locator("li", has_text="end")).to_have_count(2)
    assert page.locator("#one > li").all_text_contents() == [*one, "end"]
    assert page.locator("#two > li").all_text_contents() == [*two, "end"]


def test_an_object_is_changed_within_its_channels_and_outside_of_all(open_page, server):
    page = open_page(
        COLUMNS
        + """
        <div {% socketio_live "two" %}><b {% socketio_live "inner" %} id="card-7"></b></div>
        <div {% socketio_live "two" %}><i {% socketio_live "inner" %}><b id="card-7"></b></i></div>
        <div {% socketio_live "other" %} id="other"><b id="card-7">other</b></div>"""
    )
    server.call(save, ("two", "new"))
    expect(page.locator("#card-7")).to_have_text(["new"] * 4 + ["other"])


def test_a_page_that_has_missed_fragments_loads_its_elements(open_page, server):
    page = open_page(FROM_URL + '<p {% socketio_live "hall" url="/content/" %} id="hall"></p>')
    js(page, "hall.addEventListener('socketio:missed', (event) => event.preventDefault())")
    for channel in ("hall", "room"):
        server.call(lambda c=channel: tell_missed(server, c))
    expect(page.locator("#log > b")).to_have_text("new")
    assert html(page, "#hall") == ""
    assert len(Site.requests) == 1


def tell_missed(server, channel):
    """Tell the sockets on a channel that messages of it were lost."""
    server.socket_server.loss_reports.add(channel_topic("/", channel))


def test_fragments_go_by_redis_and_a_page_that_was_away_for_too_long_loads_its_elements(
    serve, visit, redis
):
    server = serve(RELAY_URL=redis.url)
    Site.body = FROM_URL
    page = visit(server)
    js(page, SUBSCRIBED)
    append = partial(emit_template, "fragment.html", channel="room", swap="append")
    own = js(page, "return io.live.socket.id")
    server.call(lambda: append({"html": "<i>not here</i>"}, exclude=own))
    server.call(lambda: append({"html": "<i>here</i>"}))
    expect(page.locator("#log > i")).to_have_text(["here"])
    page.context.set_offline(True)
    js(page, "await until(() => !io.live.socket.connected)")
    redis.client.flushall()
    page.context.set_offline(False)
    expect(page.locator("#log > b")).to_have_text("new")
