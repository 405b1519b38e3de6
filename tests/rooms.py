"""The rooms of the package, and which imports which: ``python -m tests.rooms [--svg]``.

Imports are read from the source, those inside functions and under ``TYPE_CHECKING`` too.
"""

import argparse
import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = "django_socketio"
ROOT = Path(__file__).parent.parent / PACKAGE

ROOMS = [
    ["exceptions", "lazy_names", "logs"],
    ["protocol"],
    ["concurrency"],
    ["transports"],
    ["relay"],
    ["channels"],
    ["events"],
    ["sockets"],
    ["conf"],
    ["security"],
    ["publishing"],
    ["monitoring"],
    ["server"],
    ["websockets"],
    ["streams"],
    ["testing"],
    [
        "__init__",
        "apps",
        "checks",
        "dashboard",
        "diagnostics",
        "gunicorn",
        "health",
        "management",
        "metrics",
        "namespaces",
        "templatetags",
        "urls",
    ],
]
"""From the lowest room to the highest. A module imports from its own room and from lower ones."""

NO_DJANGO = ROOMS.index(["conf"])
"""Modules of the rooms below this one do not import Django."""

EDGE_ONLY = ("relay.redis", "relay.cluster")
"""Implementations: only the room ``conf`` and those above import them, others ``relay.base``."""

NOT_SANS_IO = {"gevent", "greenlet", "select", "selectors", "socket", "threading", "time"}
"""Modules that would bring I/O, a clock or a scheduler into the protocols."""

Graph = dict[str, set[str]]


def module_name(path: Path) -> str:
    """Return a module's name below the package, with dots; ``__init__`` for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def read_modules() -> dict[str, list[str]]:
    """Return the full names that each module of the package imports."""
    paths = sorted(ROOT.rglob("*.py"))
    return {module_name(path): list(_imports(ast.parse(path.read_text()))) for path in paths}


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a module, those in its functions too: imports are no expressions."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(tree, field, ()):
            yield statement
            yield from statements(statement)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_graph(modules: dict[str, list[str]]) -> Graph:
    """Return the modules of the package that each of its modules imports."""
    return {
        module: {_existing(name, modules) for name in names if _is_ours(name)} - {module}
        for module, names in modules.items()
    }


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


def _existing(name: str, modules: Iterable[str]) -> str:
    """Return the module that an import names: the last part may be a name inside the module."""
    _, _, name = name.partition(".")
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or "__init__"


def room_of(module: str) -> int:
    """Return the number of a module's room.

    Raises:
        ValueError: no room has the module.

    """
    top = module.partition(".")[0]
    for number, names in enumerate(ROOMS):
        if top in names:
            return number
    raise ValueError(f"{module} is in no room of tests/rooms.py")


def violations(modules: dict[str, list[str]]) -> list[str]:
    """Return the imports that the order of the rooms does not allow, a sentence each."""
    graph = module_graph(modules)
    found = [
        f"{module} imports {other} from a higher room"
        for module, others in graph.items()
        for other in others
        if room_of(other) > room_of(module)
    ]
    found += [
        f"{module} imports {other}, an implementation"
        for module, others in graph.items()
        for other in others
        if other.startswith(EDGE_ONLY) and not module.startswith("relay.")
        if room_of(module) < NO_DJANGO
    ]
    found += [f"{' -> '.join(cycle)} is a cycle" for cycle in _cycles(graph)]
    return found + list(_foreign(modules))


def _foreign(modules: dict[str, list[str]]) -> Iterator[str]:
    for module, names in modules.items():
        tops = {name.partition(".")[0] for name in names}
        if "django" in tops and room_of(module) < NO_DJANGO:
            yield f"{module} imports Django"
        if module.startswith("protocol"):
            yield from (f"{module} imports {top}" for top in sorted(tops & NOT_SANS_IO))


def _cycles(graph: Graph) -> list[list[str]]:
    done: set[str] = set()
    found: list[list[str]] = []
    for module in sorted(graph):
        _follow(graph, [module], done, found)
    return found


def _follow(graph: Graph, path: list[str], done: set[str], found: list[list[str]]) -> None:
    module = path[-1]
    if module in path[:-1]:
        found.append(path[path.index(module) :])
    elif module not in done:
        for other in sorted(graph[module]):
            _follow(graph, [*path, other], done, found)
        done.add(module)


def room_graph(modules: dict[str, list[str]]) -> dict[int, set[int]]:
    """Return the rooms from which the modules of each room import."""
    rooms: dict[int, set[int]] = {number: set() for number in range(len(ROOMS))}
    for module, others in module_graph(modules).items():
        rooms[room_of(module)] |= {room_of(other) for other in others} - {room_of(module)}
    return rooms


def title(room: int) -> str:
    """Return what the graph calls a room."""
    names = [name for name in ROOMS[room] if name != "__init__"]
    return ", ".join(names)


def lines_of(room: int) -> int:
    """Return the number of lines in a room's modules."""
    paths = ROOT.rglob("*.py")
    return sum(path.read_text().count("\n") for path in paths if room_of(module_name(path)) == room)


def as_text() -> str:
    """Return the graph as lines: a room, its size, and the rooms from which it imports."""
    rooms = room_graph(read_modules())
    return "\n".join(
        f"{title(room)} ({lines_of(room)} lines) <- {', '.join(map(title, sorted(rooms[room])))}"
        for room in reversed(range(len(ROOMS)))
    )


ROW, BOX, WIDTH, LEFT = 44, 30, 430, 330
"""Heights and widths of the picture, in pixels: rows, boxes; where the boxes begin."""


def as_svg() -> str:
    """Return the graph as a picture: rooms from the highest to the lowest, an arc an import."""
    rooms = room_graph(read_modules())
    count = len(ROOMS)
    height = ROW * count + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 10} {height}" '
        'font-family="sans-serif" font-size="14">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
    )
    boxes = [_box(room, _top(room)) for room in reversed(range(count))]
    arcs = [_arc(room, other) for room in reversed(range(count)) for other in sorted(rooms[room])]
    return head + "\n".join(arcs + boxes) + "\n</svg>\n"


def _top(room: int) -> int:
    return 10 + ROW * (len(ROOMS) - 1 - room)


def _box(room: int, top: int) -> str:
    return (
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{BOX}" rx="4" fill="#eef3f8" '
        f'stroke="#44617b"/><text x="{LEFT + 12}" y="{top + 20}">{title(room)}</text>'
    )


def _arc(room: int, other: int) -> str:
    """Return an arc from a room to a lower one, on the left of the boxes."""
    # An arc begins below the middle of its box and ends above it, so that ends do not meet.
    begin, end = _top(room) + BOX * 2 // 3, _top(other) + BOX // 3
    reach = LEFT - 20 - 26 * (room - other)
    return (
        f'<path d="M {LEFT} {begin} C {reach} {begin}, {reach} {end}, {LEFT} {end}" fill="none" '
        'stroke="#8aa4bb"/>'
        f'<path d="M {LEFT} {end} l -7 -4 l 0 8 z" fill="#44617b"/>'
    )


PICTURE = ROOT.parent / "docs" / "rooms.svg"


def main() -> None:
    """Print the graph, or write the picture of the documentation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", action="store_true", help="write docs/rooms.svg")
    if parser.parse_args().svg:
        PICTURE.write_text(as_svg())
    else:
        print(as_text())


if __name__ == "__main__":
    main()
