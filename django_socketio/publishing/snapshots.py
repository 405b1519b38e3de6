"""What is known of the row of an object: the values that were loaded, and those that were saved."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy, deepcopy
from functools import cache
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db.models import FileField, JSONField, Model

from django_socketio.publishing.results import Emitted

Values = Mapping[str, Any]
"""Values of a row, by the attribute names of its fields; deferred ones are missing."""

Results = Sequence[Emitted] | None
"""The results of the messages about a save; None before there are any."""


class State(NamedTuple):
    """What a row was after a save, or when it was loaded.

    Attributes:
        values: the values of the row; none if it was not loaded.
        results: those of the messages about the save.
        channels: those that each publication was on, as far as they were asked for.

    """

    values: Values
    results: Results
    channels: dict[Any, frozenset[str]]

    @property
    def is_known(self) -> bool:
        """Whether it is known on which channels the row was."""
        return self is NO_ROW or bool(self.values)


NO_ROW = State({}, (), {})
"""The state before a row was inserted: pages do not know it on any channel."""

MAX_STATES = 10
"""States of a row of which it may not be known which one pages know."""

_NAME = "_socketio_snapshot"
_UNKNOWN = object()


class Snapshot:
    """The values of the row of an object.

    A transaction may be rolled back after an object was saved in it, to any of its savepoints, and
    the object is not told. So the values of earlier saves are kept as well, until the relay has
    accepted all messages about a later save.

    Attributes:
        saved: what was loaded or saved last.
        channels: those of each publication, after the last save.
        is_raw: whether a fixture was loaded into the object.
        owner: the id of the object; None before it is known. A copy of the object gets a reference
            to the same snapshot. Two objects have different ids while both exist.

    """

    __slots__ = ("_earlier", "_inserted", "_results", "channels", "is_raw", "owner", "saved")

    def __init__(self, saved: Values, owner: int | None = None) -> None:
        self.saved = saved
        self.owner = owner
        self.channels: dict[Any, frozenset[str]] = {}
        self._results: Results = ()
        self._inserted: Results = ()  # those of the messages about the insert
        self._earlier: tuple[State, ...] = ()
        self.is_raw = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, with an object that goes into a cache, what was saved."""
        return Snapshot, (dict(self.saved),)

    def for_copy(self, owner: int) -> "Snapshot":
        """Return a snapshot of the same values, for a copy of the object."""
        found = Snapshot(self.saved, owner)
        found._earlier, found._results = self._earlier, self._results
        found._inserted = self._inserted
        found.is_raw = self.is_raw
        return found

    def forget(self) -> None:
        """Forget all values."""
        self.saved, self._results, self._earlier, self.channels = {}, (), (), {}

    def forget_channels(self) -> None:
        """Forget the channels of all states: what they depend on has changed."""
        self.channels = {}
        self._earlier = tuple(
            one if one is NO_ROW else one._replace(channels={}) for one in self._earlier
        )

    def save(self, values: Values, is_new: bool) -> None:
        """Note the values that a row has after its object was saved; ``told`` has to follow."""
        last = self._last
        states = (NO_ROW,) if is_new else (*self._earlier, last)
        # Of many saves in one transaction, the newest are kept, and what was there before them.
        self._earlier = states if len(states) < MAX_STATES else states[:1] + states[2:]
        self.saved, self._results, self.channels = values, None, {}
        if is_new:
            self._inserted = None

    def told(self, results: Sequence[Emitted]) -> None:
        """Note the results of the messages about the last save.

        Without a message, pages know as much of this save as of the one before.
        """
        self._results = results
        if self._earlier[-1] is NO_ROW:
            self._inserted = results
        if not results:
            self._results = self._earlier[-1].results
            self._earlier = self._earlier[:-1]

    def settle(self) -> None:
        """Forget the saves before the last one of which pages know by now."""
        if self._is_accepted(self._results):
            self._earlier, self._results, self.channels = (), (), {}
        for index in reversed(range(len(self._earlier))):
            if self._is_accepted(self._earlier[index].results):
                self._earlier = self._earlier[index:]
                return

    @staticmethod
    def _is_accepted(results: Results) -> bool:
        return results is not None and all(results)

    def states(self) -> list[State]:
        """Return the states that pages may know: the newest first."""
        earlier = [one for one in reversed(self._earlier) if one is not NO_ROW or self._is_untold]
        return [self._last, *earlier]

    @property
    def _last(self) -> State:
        return State(self.saved, self._results, self.channels)

    @property
    def _is_untold(self) -> bool:
        """Whether pages were not told of the insert.

        A message that waits for the commit is not lost: a rollback undoes the row as well.
        """
        return self._inserted is None or any(one.is_lost for one in self._inserted)

    def changes(self, values: Values) -> list[str]:
        """Return the names of those values that pages may not know."""
        known = self.states()
        return [
            name
            for name, value in values.items()
            if any(one.values.get(name, _UNKNOWN) != value for one in known)
        ]

    def load(self, values: Values) -> None:
        """Note values that were read from the row."""
        new = {name: value for name, value in values.items() if name not in self.saved}
        self._earlier = tuple(
            one if one is NO_ROW else one._replace(values={**new, **one.values})
            for one in self._earlier
        )
        self.saved = {**self.saved, **values}
        self.forget_channels()


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


def take(instance: Model) -> Snapshot:
    """Note the values of an object that was made or loaded."""
    found = instance.__dict__[_NAME] = Snapshot(current(instance), id(instance))
    return found


def of(instance: Model) -> Snapshot:
    """Return what is known of an object: nothing if it was made before its model was published."""
    found = instance.__dict__.get(_NAME)
    if not isinstance(found, Snapshot):
        found = instance.__dict__[_NAME] = Snapshot({}, id(instance))
    elif found.owner != id(instance):
        found = instance.__dict__[_NAME] = found.for_copy(id(instance))
    return found


def inform_parents(instance: Model) -> None:
    """Give what is known of a row to the objects of its other tables.

    Django makes these objects to delete their rows, of what the object has, which may not be saved.
    """
    forget_unsaved(instance)
    model: Any = instance._meta.concrete_model
    for link in model._meta.parents.values():
        if link is not None and link.is_cached(instance):
            parent = link.get_cached_value(instance)
            parent.__dict__[_NAME] = of(instance).for_copy(id(parent))


def forget_unsaved(instance: Model) -> None:
    """Forget the values of an object that was only made: they are not those of a row.

    An object that ``bulk_create`` has saved was made without a key, and has one now.
    """
    snapshot, keys = of(instance), [one.attname for one in _keys(instance)]
    if instance._state.adding or any(snapshot.saved.get(key, 0) is None for key in keys):
        snapshot.forget()


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
        snapshot.load(row)


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
    snapshot.load(_saved(instance, _fields(instance, names)))


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
