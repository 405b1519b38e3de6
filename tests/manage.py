"""The management commands of the tests' project."""

import os
import sys

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    execute_from_command_line(sys.argv)
