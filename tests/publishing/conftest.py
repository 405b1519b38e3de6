"""The environment in which a project's test runner runs its tests, and templates."""

from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import (
    override_settings,
    setup_databases,
    setup_test_environment,
    teardown_databases,
    teardown_test_environment,
)

from tests.publishing.models import MODELS

TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [Path(__file__).parent / "templates"]}]


@pytest.fixture(scope="package", autouse=True)
def _test_run():
    setup_test_environment()
    with override_settings(TEMPLATES=TEMPLATES):
        databases = setup_databases(verbosity=0, interactive=False)
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:  # a database in memory outlives its teardown
            for model in reversed(MODELS):
                editor.delete_model(model)
        teardown_databases(databases, verbosity=0)
    teardown_test_environment()
