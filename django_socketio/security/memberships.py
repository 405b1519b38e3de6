"""The groups of users, on sites that use groups."""

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model


def group_model() -> type[Model] | None:
    """Return the model of the groups of users; None if users have no groups."""
    try:
        field = get_user_model()._meta.get_field("groups")
    except FieldDoesNotExist:
        return None
    model = field.related_model
    return model if isinstance(model, type) and field.many_to_many else None
