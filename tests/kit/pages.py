"""All code blocks of the documentation, with their languages."""

import ast
import re
import textwrap
from typing import NamedTuple

from tests.kit.programs import ROOT

DIRECTIVE = re.compile(r"^( *)\.\. code-block:: (\S+)$")
PROGRAMS = (
    "make|pip|python|manage.py|gunicorn|uvicorn|wstest|systemctl|systemd-tmpfiles|supervisorctl|npm"
    "|docker"
)
COMMAND = re.compile(rf"([A-Z_]+=\S+ )*(\.venv/bin/\w+|{PROGRAMS}) ")
"""A line of a shell; settings of the environment may come first."""


class Block(NamedTuple):
    """A code block.

    Attributes:
        page: the path of the page below the project, without its suffix.
        line: the number of the line that announces it.
        section: the title of the section that it is in.
        given: the language that the page names; None for a plain literal block.
        text: the code.

    """

    page: str
    line: int
    section: str
    given: str | None
    text: str

    def __str__(self):
        return f"{self.page}.rst:{self.line}"

    @property
    def language(self):
        """The language that the page names, or that the text seems to have."""
        return self.given or _guessed(self.text)


def pages():
    """Return the paths of all pages."""
    found = sorted((ROOT / "docs").rglob("*.rst"))
    return [ROOT / "README.rst", *(path for path in found if "_build" not in path.parts)]


def all_blocks():
    """Return the code blocks of all pages."""
    return [block for path in pages() for block in blocks_of(path)]


def blocks_of(path):
    """Yield the code blocks of a page."""
    page = str(path.relative_to(ROOT).with_suffix(""))
    lines, number, section = path.read_text().split("\n"), 0, ""
    while number < len(lines):
        line = lines[number]
        if number and re.fullmatch(r"([=-])\1{2,}", line) and lines[number - 1].strip():
            section = lines[number - 1]
        number += 1
        directive = DIRECTIVE.match(line)
        if directive is None and (not line.endswith("::") or line.lstrip().startswith("..")):
            continue
        begin, end = _extent(lines, number, len(line) - len(line.lstrip()))
        if end > begin:
            text = textwrap.dedent("\n".join(lines[begin:end])).strip("\n") + "\n"
            yield Block(page, number, section, directive and directive[2], text)
            number = end


def _extent(lines, number, indentation):
    """Return the first line of an indented block, and the line after it."""
    while number < len(lines) and not lines[number].strip():
        number += 1
    begin = number
    while number < len(lines) and (
        not lines[number].strip() or _depth(lines[number]) > indentation
    ):
        number += 1
    return begin, number


def _depth(line):
    return len(line) - len(line.lstrip())


def _guessed(text):
    if COMMAND.match(text):
        return "console"
    if "{%" in text or text.startswith("<"):
        return "html+django"
    if re.search(r"(;|=> \{|\{)$|^(//|fetch\()", text, re.MULTILINE) and "= {\n" not in text:
        return "javascript"
    try:
        ast.parse(text)
    except SyntaxError:
        return "javascript" if "=>" in text else "text"
    return "python"
