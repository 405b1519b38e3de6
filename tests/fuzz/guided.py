"""Coverage-guided inputs: atheris (libFuzzer) keeps those that reach code which no other reached.

``python -m tests.fuzz.guided NAME SEED COUNT FOLDER`` fuzzes one target, for ``run``, until a
finding, which is left in the folder.
"""

import logging
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.target import MAX_SIZE, Target

_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*([0-9]+)")


def run(target: Target, seed: int, count: int) -> tuple[int, list[tuple[bytes, str]]]:
    """Fuzz a target in a process of its own; return the number of inputs, and what was found."""
    with TemporaryDirectory() as folder:
        prepare(target, Path(folder))
        command = [sys.executable, "-m", "tests.fuzz.guided"]
        command += [target.name, str(seed % 2**31), str(count), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [path.read_bytes() for path in Path(folder).glob("found-*")]
    executed = _EXECUTED.search(done.stderr)
    if executed is None or (done.returncode and not found):
        raise RuntimeError(f"the fuzzer of {target.name} failed:\n{done.stderr[-3000:]}")
    return int(executed[1]), [(data, done.stderr[:2000]) for data in found]


def prepare(target: Target, folder: Path) -> None:
    """Write what the fuzzer begins from."""
    (folder / "corpus").mkdir()
    for number, data in enumerate(target.seeds):
        (folder / "corpus" / str(number)).write_bytes(data)
    words = ("".join(f"\\x{byte:02x}" for byte in token[:64]) for token in target.tokens)
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))


def main(name: str, seed: str, count: str, folder: str) -> None:
    """Fuzz in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["django_socketio"]):
        from tests.fuzz.targets import TARGETS

    logging.disable(logging.CRITICAL)
    (target,) = [target for target in TARGETS if target.name == name]
    options = [f"-seed={seed}", f"-runs={count}", f"-max_len={MAX_SIZE}", "-timeout=10"]
    options += [f"-dict={folder}/words", f"-artifact_prefix={folder}/found-", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", f"{folder}/corpus"], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
