"""What is known of the row of an object: the values that were loaded, and those that were saved."""

from collections.abc import Iterable, Mapping
from copy import copy, deepcopy
from functools import cache
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db.models import FileField, JSONField, Model

from django_socketio.publishing.results import Emitted

Values = Mapping[str, Any]
"""Values of a row, by the attribute names of its fields; deferred ones are missing."""

_NAME = "_socketio_snapshot"
_UNKNOWN = object()


class Snapshot:
    """The values of the row of an object.

    A transaction may be rolled back after an object was saved in it, and the object is not told.
    So the values of which pages were told are known apart from those that were saved last.

    Attributes:
        saved: what was loaded or saved last.
        told: what pages know: what was loaded, or saved when the relay had accepted all messages.
        pending: the results of the messages about the last save.
        is_raw: whether a fixture was loaded into the object.

    """

    __slots__ = ("is_raw", "pending", "saved", "told")

    def __init__(self, saved: Values) -> None:
        self.saved = self.told = saved
        self.pending: list[Emitted] = []
        self.is_raw = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, with an object that goes into a cache, what was saved."""
        return Snapshot, (dict(self.saved),)

    def settle(self) -> None:
        """Note what pages know by now."""
        self.pending = [emitted for emitted in self.pending if not emitted]
        if not self.pending:
            self.told = self.saved

    def known(self) -> list[Values]:
        """Return the values that pages know: before and after a save that may not be committed."""
        return [self.saved] if self.told is self.saved else [self.saved, self.told]

    def changes(self, values: Values) -> list[str]:
        """Return the names of those values that pages may not know."""
        known = self.known()
        return [
            name
            for name, value in values.items()
            if any(one.get(name, _UNKNOWN) != value for one in known)
        ]


class Columns(NamedTuple):
    """The fields of a model that have columns, by their attribute names.

    Attributes:
        plain: those whose values nothing changes in place.
        other: all others.
        generated: those that the database computes.

    """

    plain: tuple[str, ...]
    other: tuple[str, ...]
    generated: tuple[str, ...]


@cache
def columns(model: type[Model]) -> Columns:
    """Return the fields of a model that have columns."""
    fields = model._meta.concrete_fields
    plain = [one.attname for one in fields if _is_plain(one)]
    other = [one.attname for one in fields if not _is_plain(one)]
    generated = [one.attname for one in fields if getattr(one, "generated", False)]
    return Columns(tuple(plain), tuple(other), tuple(generated))


def _is_plain(field: Any) -> bool:
    is_known = type(field).__module__.startswith("django.db.models.fields")
    return is_known and not isinstance(field, FileField | JSONField)


def take(instance: Model) -> None:
    """Note the values of an object that was made or loaded."""
    instance.__dict__[_NAME] = Snapshot(current(instance))


def of(instance: Model) -> Snapshot:
    """Return what is known of an object: nothing if it was made before its model was published."""
    found = instance.__dict__.get(_NAME)
    if not isinstance(found, Snapshot):
        found = instance.__dict__[_NAME] = Snapshot({})
    return found


def forget_unsaved(instance: Model) -> None:
    """Forget the values of an object that was only made: they are not those of a row.

    An object that ``bulk_create`` has saved was made without a key, and has one now.
    """
    snapshot, keys = of(instance), [one.attname for one in _keys(instance)]
    if instance._state.adding or any(snapshot.saved.get(key, 0) is None for key in keys):
        snapshot.saved = snapshot.told = {}


def _keys(instance: Model) -> Any:
    return instance._meta.pk_fields


def complete(instance: Model, using: str, names: Iterable[str] | None = None) -> None:
    """Read the values of a row, before it is changed, in fields that were not loaded.

    Args:
        names: the fields that are about to be saved; None for all.

    """
    snapshot = of(instance)
    unknown = _saved(instance, names).keys() - snapshot.saved.keys()
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk)
    row = rows.values(*unknown).first() if unknown else None
    if row is not None:
        is_settled = snapshot.told is snapshot.saved
        snapshot.saved = {**row, **snapshot.saved}
        snapshot.told = snapshot.saved if is_settled else {**row, **snapshot.told}


def current(instance: Model) -> dict[str, Any]:
    """Return the values that an object has now, without a query."""
    data = instance.__dict__
    plain, other, _ = columns(type(instance))
    values = {name: data[name] for name in plain if name in data}
    for name in other:
        if name in data:
            values[name] = _copied(data[name])
    return values


def _copied(value: Any) -> Any:
    return value.name if isinstance(value, File) else deepcopy(value)


def after_save(instance: Model, using: str, names: Iterable[str] | None) -> dict[str, Any]:
    """Return the values that a row has after its object was saved.

    Args:
        names: the ``update_fields`` of the save; None for all.

    """
    values = {**of(instance).saved, **_normal(instance, _saved(instance, names))}
    computed = [name for name, value in values.items() if hasattr(value, "resolve_expression")]
    computed += columns(type(instance)).generated
    if names is not None:  # what the object has in all other fields was not saved
        computed += current(instance).keys() - values.keys()
    if computed:
        manager = type(instance)._base_manager.using(using)
        values.update(manager.filter(pk=instance.pk).values(*computed).get())
    return values


def _saved(instance: Model, names: Iterable[str] | None) -> dict[str, Any]:
    values = current(instance)
    if names is None:
        return values
    wanted = {instance._meta.get_field(name).attname for name in names}  # type: ignore[union-attr]
    return {name: value for name, value in values.items() if name in wanted}


def _normal(instance: Model, values: dict[str, Any]) -> dict[str, Any]:
    """Return values as they are loaded: a text that was set as a date becomes a date."""
    known = of(instance).saved
    for name, value in values.items():
        if known.get(name, _UNKNOWN) != value and not hasattr(value, "resolve_expression"):
            values[name] = _python(instance, name, value)
    return values


def _python(instance: Model, name: str, value: Any) -> Any:
    field: Any = instance._meta.get_field(name)
    try:
        return (field.target_field if field.is_relation else field).to_python(value)
    except (ValidationError, TypeError, ValueError):
        return value  # which the database has taken


def refreshed(instance: Model, names: Iterable[str] | None) -> None:
    """Note the values that ``refresh_from_db`` has loaded."""
    snapshot = of(instance)
    snapshot.settle()
    is_settled = snapshot.told is snapshot.saved
    snapshot.saved = {**snapshot.saved, **_saved(instance, _fields(instance, names))}
    if is_settled:
        snapshot.told = snapshot.saved


def _fields(instance: Model, names: Iterable[str] | None) -> Iterable[str] | None:
    """Return those names that are fields with columns; others are relations, which have none."""
    if names is None:
        return None
    known = {name for one in instance._meta.concrete_fields for name in (one.name, one.attname)}
    return known.intersection(names)


def with_values(instance: Model, values: Values) -> Model:
    """Return an object with these values: a copy, if it has others."""
    now = current(instance)
    different = {name: value for name, value in values.items() if now.get(name) != value}
    if not different:
        return instance
    found = copy(instance)
    found.__dict__.update(different)
    fields: Any = found._meta.concrete_fields
    for field in fields:
        if field.attname in different and field.is_relation and field.is_cached(found):
            field.delete_cached_value(found)
    return found
