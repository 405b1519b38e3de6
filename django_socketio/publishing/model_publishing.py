"""``publish_model``: pages follow the objects of a model; and helpers for bulk operations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable

from django_socketio.channels.names import check_channel
from django_socketio.publishing import snapshots
from django_socketio.publishing.deferring import publish_each_later
from django_socketio.publishing.model_signals import connect, publications
from django_socketio.publishing.publications import Channel, Publication
from django_socketio.publishing.sending import Message

PART = 500
"""Messages of ``publish_created`` that are in memory at once where they wait for no commit."""

Row = TypeVar("Row", bound=Model)


def publish_model(
    model: type[Model],
    channel: Channel,
    *,
    fields: Sequence[str] | None = None,
    template: str | None = None,
    target: str | None = None,
    swap: Literal["append", "prepend"] = "append",
    element_id: Callable[[Any], str] | None = None,
    refresh: bool = False,
    namespace: str = "/",
    raw: bool = False,
) -> Publication:
    """Have pages follow the objects of a model: as events, as HTML, or by loading their content.

    ``channel`` is a name, or a function of an object that returns a name, several names or None.
    ``fields`` names the fields that are sent with the events "created" and "changed". ``template``
    renders an object, for ``live.js``: new ones are put into ``target`` (by default the elements on
    the channel), the others replace the element with the id ``element_id(object)`` (by default
    "order-7"). ``refresh`` has elements on the channel load their content. With ``raw``, fixtures
    are published too. Messages are sent after the commit.

    Raises:
        ChannelError, EventError, TypeError, ValueError: an argument cannot be used.

    """
    _check(model, channel)
    _check_contents(model, fields, template, refresh)
    _check_places(template, target, element_id, swap)
    options: dict[str, Any] = {"fields": fields, "template": template, "target": target}
    options |= {"swap": swap, "element_id": element_id, "refresh": refresh}
    publication = Publication(model, channel, namespace=namespace, raw=raw, **options)
    connect(publication)
    return publication


@contextmanager
def publish_changes(queryset: QuerySet[Row]) -> Iterator[QuerySet[Row]]:
    """Publish what a ``with`` block does to rows past signals: ``update``, ``bulk_update``, SQL.

    The rows are read before and after the block, which is a transaction.

    Raises:
        TypeError: the queryset has no objects, but values.
        ValueError: the model is not published.

    """
    model = queryset.model
    _check_published(model)
    if not issubclass(queryset._iterable_class, ModelIterable):
        raise TypeError(f"publish_changes takes a queryset of objects, not {queryset.query!s:.100}")
    using = _using(queryset)
    with transaction.atomic(using=using):
        before = {row.pk: row for row in queryset.using(using).defer(None)}
        yield queryset
        after = model._base_manager.using(using).in_bulk(list(before))
        pairs = [(row, after.get(pk)) for pk, row in before.items()]
        publish_each_later([one for pair in pairs for one in _differences(*pair)], using)


def publish_created(objects: Iterable[Model]) -> None:
    """Publish objects that were created past signals, by ``bulk_create``.

    An error in a template, or in the function of a channel, ends it: objects before are published.

    Raises:
        ValueError: an object has no primary key, or its model is not published.

    """
    messages: dict[str, list[Message]] = {}
    try:
        for one in objects:
            _check_created(one)
            using = one._state.db or router.db_for_write(type(one))
            part = messages.setdefault(using, [])
            part.extend(_created(one))
            if len(part) >= PART:
                publish_each_later(messages.pop(using), using)
    finally:
        for using, found in messages.items():
            publish_each_later(found, using)


def _check_created(row: Model) -> None:
    _check_published(type(row))
    if row.pk is None:
        raise ValueError(
            f"publish_created(): {row!r:.100} has no primary key, because the database does "
            "not tell those of bulk_create"
        )


def _created(row: Model) -> Iterator[Message]:
    snapshot, results = snapshots.take(row), []
    snapshot.save(snapshot.saved, is_new=True)
    for publication in publications(type(row)):
        for envelope, emitted in publication.created(row, publication.channels(row)):
            results.append(emitted)
            yield envelope, emitted
    snapshot.told(results)


def _differences(before: Model, after: Model | None) -> Iterator[Message]:
    for publication in publications(type(before)):
        if after is None:
            yield from publication.deleted([before])
            continue
        values = snapshots.current(before)
        names = {one.attname: one.name for one in after._meta.concrete_fields}
        now = snapshots.current(after).items()
        changed = [names[name] for name, value in now if values.get(name, value) != value]
        if changed:
            channels = publication.channels(before)
            yield from publication.moved(after, publication.channels(after), [channels], changed)


def _using(queryset: Any) -> str:
    return str(queryset._db or router.db_for_write(queryset.model))


def _check_published(model: type[Model]) -> None:
    if not publications(model):
        raise ValueError(f"{model._meta.label} is not published: call publish_model first")


def _check(model: Any, channel: Any) -> None:
    meta = getattr(model, "_meta", None)
    if not isinstance(model, type) or not issubclass(model, Model) or meta is None or meta.abstract:
        raise TypeError(f"publish_model takes a model that is not abstract, not {model!r:.100}")
    if isinstance(channel, str):
        check_channel(channel)
    elif not callable(channel):
        raise TypeError(
            "publish_model(channel=…) takes the name of a channel, or a function of an object, "
            f"not {channel!r:.100}"
        )


def _check_contents(model: type[Model], fields: Any, template: Any, refresh: bool) -> None:
    if template is not None and (not isinstance(template, str) or not template):
        raise TypeError(f"publish_model(template=…) takes a name, not {template!r:.100}")
    if template is not None and refresh:
        raise ValueError("publish_model() takes one of template=… and refresh=True")
    if fields is None and template is None and not refresh:
        raise ValueError(
            f"publish_model({model.__name__}) needs fields=[…] (for events), template=… (for HTML) "
            "or refresh=True"
        )


def _check_places(template: Any, target: Any, element_id: Any, swap: Any) -> None:
    if swap not in ("append", "prepend"):
        raise ValueError(f"publish_model(swap={swap!r:.100}): expected append or prepend")
    if target is not None and (not isinstance(target, str) or not target.strip()):
        raise TypeError(f"publish_model(target=…) takes a CSS selector, not {target!r:.100}")
    if element_id is not None and not callable(element_id):
        raise TypeError(
            f"publish_model(element_id=…) takes a function of an object, not {element_id!r:.100}"
        )
    if template is None and (target, element_id, swap) != (None, None, "append"):
        raise ValueError("publish_model(target=…, element_id=…, swap=…) are for a template")
