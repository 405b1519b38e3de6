"""The pages of the recipes in a browser, as their documentation shows them."""

import time

import pytest
from playwright.sync_api import expect

from tests.kit.programs import PATCHED, TIMEOUT, Runserver, python
from tests.kit.recipes import CELERY, files_of_recipes, settings_of_recipes, write_project

STEPS = '''
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.template import engines
from django.urls import include, path
from exports.tasks import export
from notices.models import Notice
from orders.models import Order
from parcels.models import Parcel

def log_in(request, name):
    login(request, User.objects.get(username=name))
    return HttpResponse()

def notify(request):
    Notice.objects.create(user=User.objects.get(username="ann"), text="Sent")
    return HttpResponse()

def order(request, pk, status):
    Order(pk=pk, status=status).save()
    return HttpResponse()

def move(request, place):
    ann = User.objects.get(username="ann")
    Parcel.objects.update_or_create(pk=1, defaults={"customer": ann, "place": place})
    return HttpResponse()

def begin(request):
    export.apply([request.user.pk], task_id="first", throw=True)
    return HttpResponse()

ASKING = """
<form method="post" action="/ask/">{% csrf_token %}
<input name="question" value="many words in pieces"><button>Ask</button></form>"""

def asking(request):
    return HttpResponse(engines["django"].from_string(ASKING).render({}, request))

urlpatterns = [
    path("", include("mysite.urls")),
    path("asking/", asking),
    path("log-in/<name>/", log_in),
    path("notify/", notify),
    path("order/<int:pk>/<status>/", order),
    path("move/<place>/", move),
    path("begin/", begin),
]
'''

SETTINGS = """
from site_settings import *
DEBUG = True
ROOT_URLCONF = "steps"
"""

PREPARE = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from django.contrib.auth.models import Permission, User
ann, bob = map(User.objects.create_user, ("ann", "bob"))
ann.user_permissions.add(Permission.objects.get(codename="view_order"))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server of the recipes' project; the URLs of ``STEPS`` make things happen."""
    folder = tmp_path_factory.mktemp("recipes")
    shown = {**files_of_recipes(), "mysite/__init__.py": CELERY}
    _, environ = write_project(folder, shown, settings=settings_of_recipes())
    (folder / "steps.py").write_text(STEPS)
    (folder / "browser_settings.py").write_text(SETTINGS)
    environ |= {"DJANGO_SETTINGS_MODULE": "browser_settings", "TEST_DATABASE": f"{folder}/db"}
    python(environ, "-c", PREPARE)
    server = Runserver("0", "--noreload", python=PATCHED, **environ)
    yield f"http://127.0.0.1:{server.port}"
    server.end()


@pytest.fixture
def log_in(site, window):
    """Return a function that opens a browser in which a user is logged in."""
    return lambda name: window(f"{site}/log-in/{name}/").context


def tab(browser, url, answer="40"):
    """Open a page in a browser, and wait for a packet: its socket is accepted, by default."""
    page, frames = browser.new_page(), []

    def note(frame):
        frames.append(str(frame))

    page.on("websocket", lambda opened: opened.on("framereceived", note))
    page.goto(url)
    deadline = time.monotonic() + TIMEOUT
    while not any(frame.startswith(answer) for frame in frames):
        assert time.monotonic() < deadline, frames
        page.wait_for_timeout(10)
    return page


SUBSCRIBED = "430[true"


def test_users_chat(site, log_in):
    ann, bob = (tab(log_in(name), f"{site}/rooms/1/", SUBSCRIBED) for name in ("ann", "bob"))
    for name, page in (("ann", ann), ("bob", bob)):
        page.locator("input").fill("<b>hello</b>")
        page.locator("input").press("Enter")
        expect(page.locator("pre")).to_contain_text(f"{name}: <b>hello</b>")
    for page in (ann, bob):
        expect(page.locator("pre")).to_have_text("ann: <b>hello</b>\nbob: <b>hello</b>\n")


def test_a_visitor_is_told_to_log_in(site, window):
    page = window(site)
    with page.expect_event("dialog") as opening:
        page.goto(f"{site}/rooms/1/")
    assert opening.value.message == "Log in to chat"
    opening.value.dismiss()


def test_a_page_follows_the_parcels_that_it_shows(site, log_in, window):
    window(f"{site}/move/Bergen/")
    page = tab(log_in("ann"), f"{site}/parcels/", SUBSCRIBED)
    expect(page.locator("p")).to_have_text("Bergen")
    window(f"{site}/move/Oslo/")
    expect(page.locator("p")).to_have_text("Oslo")


def test_a_notification_is_in_all_tabs_of_its_user(site, log_in):
    ann, bob = log_in("ann"), log_in("bob")
    tabs = [tab(ann, f"{site}/notices/") for _ in range(2)]
    other = tab(bob, f"{site}/notices/")
    other.request.get(f"{site}/notify/")
    for page in tabs:
        expect(page.locator("pre")).to_have_text("Sent\n")
    assert other.locator("pre").text_content() == ""


def test_the_bar_of_a_closed_tab_is_there_again(site, log_in):
    ann = log_in("ann")
    tab(ann, f"{site}/export/first/").close()
    open_tab = tab(ann, f"{site}/export/first/")
    ann.request.get(f"{site}/begin/")
    for page in (open_tab, tab(ann, f"{site}/export/first/")):
        page.wait_for_function("bar.value === 100")


def test_a_dashboard_shows_what_was_and_what_is_saved(site, log_in):
    ann = log_in("ann")
    ann.request.get(f"{site}/order/1/new/")
    page = tab(ann, f"{site}/orders/", SUBSCRIBED)
    expect(page.locator("pre")).to_have_text('{ "1": "new" }')
    ann.request.get(f"{site}/order/1/paid/")
    ann.request.get(f"{site}/order/2/new/")
    expect(page.locator("pre")).to_have_text('{ "1": "paid", "2": "new" }')


def test_pointers_move_on_other_pages_and_go(site, log_in):
    ann, bob = (tab(log_in(name), f"{site}/boards/1/", SUBSCRIBED) for name in ("ann", "bob"))
    ann.mouse.move(100, 100)
    mark = bob.locator("mark")
    expect(mark).to_have_count(1)
    assert "left: 7.8" in mark.get_attribute("style")  # of 1,280 pixels
    # Her own is not shown to her; a browser may tell of a pointer on the other page by itself.
    expect(ann.locator("mark[style*='left: 7.8']")).to_have_count(0)
    ann.close()
    expect(mark).to_have_count(0)


def test_an_answer_appears_and_is_there_after_a_reload(site, log_in):
    page = log_in("ann").new_page()
    page.goto(f"{site}/asking/")
    page.locator("button").click()
    for _ in range(2):
        expect(page.locator("p")).to_have_text("manywordsinpieces")
        page.wait_for_function("!socket.connected")  # because the answer is whole
        page.reload()


def test_a_bar_shows_how_much_was_received(site, log_in):
    page = tab(log_in("ann"), f"{site}/upload/")
    file = {"name": "large", "mimeType": "text/plain", "buffer": b"x" * 1_000_000}
    page.locator("[type=file]").set_input_files(file)
    page.locator("button").click()
    page.wait_for_function("bar.value === 100")
