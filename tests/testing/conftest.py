"""The environment in which a project's test runner runs its tests."""

import pytest
from django.test.utils import (
    override_settings,
    setup_databases,
    setup_test_environment,
    teardown_databases,
    teardown_test_environment,
)


@pytest.fixture(scope="package", autouse=True)
def _test_run():
    setup_test_environment()
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db"):
        databases = setup_databases(verbosity=0, interactive=False)
        yield
        teardown_databases(databases, verbosity=0)
    teardown_test_environment()
