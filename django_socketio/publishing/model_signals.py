"""Django's signals of models, for the publications of these models."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from django.db.models import Model
from django.db.models.signals import (
    class_prepared,
    m2m_changed,
    post_init,
    post_save,
    pre_delete,
    pre_save,
)

from django_socketio.publishing import snapshots
from django_socketio.publishing.deferring import publish_each_later, published_later
from django_socketio.publishing.publications import Channels, Publication
from django_socketio.publishing.sending import Message

_publications: dict[type[Model], list[Publication]] = {}
"""The publications of each class of objects: its own, and those of the models above it."""

_refreshing: dict[type[Model], Any] = {}
"""What ``refresh_from_db`` was in the namespace of each published model; None for nothing."""


def publications(model: type[Model]) -> list[Publication]:
    """Return the publications of the objects of a class."""
    return _publications.get(model, [])


def connect(publication: Publication) -> None:
    """Have changes of a model's objects, and of those of models that inherit, published."""
    if not _publications:
        class_prepared.connect(_inherit)
        m2m_changed.connect(_m2m_changed)
    _wrap_refresh(publication.model)
    for model in _family(publication.model):
        _add(model, publication)
    publication.when_stopped(disconnect)


def disconnect(publication: Publication) -> None:
    """End a publication, if it has not ended yet."""
    if publication not in publications(publication.model):
        return
    for model, found in list(_publications.items()):
        if publication in found:
            found.remove(publication)
        if not found:
            del _publications[model]
            for signal, receiver in _RECEIVERS:
                signal.disconnect(receiver, sender=model)
    if not publications(publication.model):
        _unwrap_refresh(publication.model)
    if not _publications:
        class_prepared.disconnect(_inherit)
        m2m_changed.disconnect(_m2m_changed)


def _family(model: type[Model]) -> Iterator[type[Model]]:
    """Return a model and all that inherit from it, as proxies or with tables of their own."""
    yield model
    for child in model.__subclasses__():
        yield from _family(child)


def _add(model: type[Model], publication: Publication) -> None:
    found = _publications.setdefault(model, [])
    if publication not in found:
        found.append(publication)
    for signal, receiver in _RECEIVERS:
        signal.connect(receiver, sender=model)


def _inherit(sender: type[Model], **_: Any) -> None:
    """Publish the objects of a model that is defined later, and inherits from a published one."""
    for base in sender.__mro__[1:]:
        for publication in list(_publications.get(base, ())):
            _add(sender, publication)


def _wrap_refresh(model: type[Model]) -> None:
    """Have the values noted that ``refresh_from_db`` loads: no signal tells of them."""
    if model in _refreshing:
        return
    refresh: Callable[..., None] = model.refresh_from_db

    @wraps(refresh)
    def refresh_from_db(
        self: Model, using: Any = None, fields: Any = None, *args: Any, **options: Any
    ) -> None:
        names = None if fields is None else list(fields)
        refresh(self, using, names, *args, **options)
        snapshots.refreshed(self, names)

    _refreshing[model] = vars(model).get("refresh_from_db")
    model.refresh_from_db = refresh_from_db  # type: ignore[method-assign]


def _unwrap_refresh(model: type[Model]) -> None:
    own = _refreshing.pop(model)
    if own is None:
        del model.refresh_from_db
    else:
        model.refresh_from_db = own  # type: ignore[method-assign]


def _made(instance: Model, **_: Any) -> None:
    snapshots.take(instance)


def _saving(
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: Iterable[str] | None,
    **_: Any,
) -> None:
    """Learn from which channels an object may go that was loaded in part, or not at all."""
    snapshots.forget_unsaved(instance)
    told = [one for one in publications(sender) if one.raw or not raw]
    if any(one.depends_on_objects for one in told) and _may_have_row(instance, raw, update_fields):
        snapshots.complete(instance, using, update_fields)


def _may_have_row(instance: Model, raw: bool, update_fields: Iterable[str] | None) -> bool:
    """Return whether a save may find a row; Django inserts a new object whose key has a default."""
    if instance.pk is None:
        return False
    if raw or update_fields is not None or not instance._state.adding:
        return True
    keys: Any = instance._meta.pk_fields
    return not all(field.has_default() or field.has_db_default() for field in keys)


def _saved(
    sender: type[Model], instance: Model, created: bool, raw: bool, using: str, **options: Any
) -> None:
    snapshot = snapshots.of(instance)
    snapshot.settle()
    values = snapshots.after_save(instance, using, options.get("update_fields"))
    changed, before = snapshot.changes(values), snapshot.states()
    snapshot.save(values, is_new=created)  # a new row is created again, if this is rolled back
    snapshot.is_raw = raw
    told = [one for one in publications(sender) if one.raw or not raw]
    row = snapshots.with_values(instance, values) if told else instance
    with published_later(using) as messages:
        for publication in told:
            now = snapshot.channels[publication] = publication.channels(row)
            if created:
                messages.extend(publication.created(row, now))
            else:
                messages.extend(_moved(publication, row, now, before, changed))
    snapshot.told([emitted for _, emitted in messages])


def _moved(
    publication: Publication,
    row: Model,
    now: Channels,
    before: Iterable[snapshots.State],
    changed: list[str],
) -> Iterator[Message]:
    names = [one.name for one in row._meta.concrete_fields if one.attname in changed]
    known = [_channels(publication, row, one) for one in before if changed and one.is_known]
    return publication.moved(row, now, known, names)


def _channels(publication: Publication, row: Model, state: snapshots.State) -> Channels:
    """Return the channels of a row in an earlier state: the site's function may cost a query."""
    if state is snapshots.NO_ROW:
        return frozenset()
    if publication not in state.channels:
        earlier = snapshots.with_values(row, state.values)
        state.channels[publication] = publication.channels(earlier)
    return state.channels[publication]


def _deleting(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    """Publish that a row is deleted: of a model with tables of several, by the table of its own.

    The signal is sent in a transaction, which is rolled back if the row cannot be deleted.
    """
    found = [
        one
        for one in publications(sender)
        if one.model._meta.concrete_model is sender._meta.concrete_model
    ]
    if len(found) < len(publications(sender)):
        snapshots.inform_parents(instance)
    if any(one.depends_on_objects for one in found):
        snapshots.forget_unsaved(instance)
        snapshots.complete(instance, using)
    snapshot = snapshots.of(instance)
    snapshot.settle()
    states = [one for one in snapshot.states() if one is not snapshots.NO_ROW]
    rows = [snapshots.with_values(instance, one.values) for one in states]
    publish_each_later([one for each in found for one in each.deleted(rows)], using)


_RECEIVERS: list[tuple[Any, Callable[..., None]]] = [
    (post_init, _made),
    (pre_save, _saving),
    (post_save, _saved),
    (pre_delete, _deleting),
]

_Before = list[tuple[Model, Publication, Channels]]

_M2M = "_socketio_m2m"


def _m2m_changed(
    sender: type[Model],
    instance: Model,
    action: str,
    reverse: bool,
    model: type[Model],
    pk_set: set[Any] | None,
    using: str,
    **options: Any,
) -> None:
    """Note the channels of rows before a many-to-many relation changes; publish afterwards.

    The change saves no object: what the object has may differ from its row, which is read.
    """
    owner = model if reverse else type(instance)
    if owner not in _publications or pk_set == set():
        return
    name = next((one.name for one in owner._meta.many_to_many if _through(one) is sender), None)
    if name is None:
        return
    when, _, what = action.partition("_")
    noted: dict[Any, _Before] = instance.__dict__.setdefault(_M2M, {})
    if when == "pre":
        is_raw = not reverse and snapshots.of(instance).is_raw
        told = [
            one for one in publications(owner) if one.may_tell(name) and (one.raw or not is_raw)
        ]
        rows = owner._base_manager.using(using).filter(**_owners(name, instance, reverse, pk_set))
        noted[sender, what] = _channels_of(rows, told) if told else []
    else:
        if not reverse:
            snapshots.of(instance).forget_channels()
        messages: list[Message] = []
        for row, publication, channels in noted.pop((sender, what), ()):
            messages += publication.moved(row, publication.channels(row), [channels], [name])
        publish_each_later(messages, using)


def _through(field: Any) -> Any:
    return field.remote_field.through


def _owners(name: str, changed: Model, reverse: bool, keys: set[Any] | None) -> dict[str, Any]:
    """Return what finds the rows that have the relation, of which either side may be changed."""
    if not reverse:
        return {"pk": changed.pk}
    return {name: changed} if keys is None else {"pk__in": keys}


def _channels_of(rows: Iterable[Model], told: Iterable[Publication]) -> _Before:
    return [(row, one, one.channels(row)) for row in rows for one in told]
