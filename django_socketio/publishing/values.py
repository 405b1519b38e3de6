"""Values of messages that JSON does not know."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet

_encode = DjangoJSONEncoder().default


def encode_default(value: Any) -> Any:
    """Turn a value into one that JSON knows, as Django does.

    Raises:
        TypeError: there is none; the text for an object of a model says what to send instead.

    """
    try:
        return _encode(value)
    except TypeError as error:
        raise TypeError(f"{error}{_advice(value)}") from None


def _advice(value: Any) -> str:
    if isinstance(value, Model):
        return ": send a dictionary of its fields, such as {'id': object.pk}"
    if isinstance(value, QuerySet):
        return ": send list(queryset.values(…)), with the names of its fields"
    return ""
