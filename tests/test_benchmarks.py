"""The benchmarks: the load generator compiles, and measures our server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import streams
from benchmarks.attackers.table import AttackTable
from benchmarks.load import Load, compiled
from benchmarks.processes import Failed
from benchmarks.publishing import Publishing
from benchmarks.relay import redis
from benchmarks.servers import OURS, SERVERS, running

ROOT = Path(__file__).parent.parent
SUBSCRIBERS = 20


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """Compile the generator, with all warnings as errors."""
    return Load(compiled(tmp_path_factory.mktemp("load")), seconds=0.5)


@pytest.fixture(scope="module")
def server(load, tmp_path_factory):
    with running(OURS, load.program, tmp_path_factory.mktemp("server")) as server:
        yield server


def channel(server, name):
    return server.dialect.subscription(name)


def test_echo_is_measured(load, server):
    result = load.run(
        server, "echo", connections=SUBSCRIBERS, in_flight=2, subscribe=channel(server, "echo")
    )
    assert result["rate"] > 0
    assert 0 < result["p50_us"] <= result["p99_us"] <= result["max_us"] * 1.02
    assert result["errors"] == result["lost"] == 0


def test_fan_out_is_measured(load, server):
    options = {"connections": SUBSCRIBERS, "subscribe": channel(server, "room-1")}
    result = load.run(server, "fanout", in_flight=2, **options)
    assert result["rate"] > 0
    paced = load.run(server, "fanout", rate=50, seconds=0.4, warm=0, **options)
    # 50 a second for 0.4 s, each to all subscribers: the generator keeps the pace it is given.
    assert SUBSCRIBERS * 15 <= paced["count"] + paced["outstanding"] <= SUBSCRIBERS * 21


def test_connections_are_measured(load, server):
    result = load.run(server, "connect", connections=4, seconds=2)
    assert result["rate"] > 0
    assert result["errors"] == 0


def test_memory_is_that_of_the_server(load, server):
    (pid,) = server.pids
    result = load.run(server, "idle", connections=1, seconds=0)
    resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert result["memory_kb"] == pytest.approx(int(resident[1]), rel=0.1)


def test_the_generator_says_what_is_wrong(load, server):
    with pytest.raises(Failed, match=r"no upgrade: HTTP/1\.1 404"):
        load.run(server, "echo", connections=1, path="/nowhere/")
    with pytest.raises(Failed, match="there is no mode nonsense"):
        load.run(server, "nonsense", connections=1)


def test_no_server_outlives_its_block(load, tmp_path):
    with running(SERVERS["ceiling"], load.program, tmp_path) as server:
        (pid,) = server.pids
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_victim_beside_an_attacker_is_measured(load, tmp_path):
    table = AttackTable(load, tmp_path, print)
    table.measure(["pings"], rounds=1)
    (result,) = table.results["pings"]
    assert result["count"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert (tmp_path / "attacker.log").read_text() == "begun\n"


def test_publishing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.publishing.WAYS", {"10": "emit_batch of 10"})
    publishing = Publishing(tmp_path, 0.2, print)
    publishing.measure(rounds=1)
    (result,) = publishing.results["10"]
    assert result["count"] >= 10
    assert result["cpu_us"] > 0
    assert result["redis_us"] > 0


def test_the_results_are_shown_and_written_down(load, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    command = [sys.executable, "-m", "benchmarks", "--from-results", "--docs", str(tmp_path)]
    shown = subprocess.run(
        [*command, "--results", str(tmp_path / "results.json")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    page = (tmp_path / "benchmarks.rst").read_text()
    for text in (shown, page):
        assert "3,000 (2,000\N{EN DASH}4,000)" in text
        assert "1.50 \N{MULTIPLICATION SIGN}" in text
        assert "66,000" in text
        assert "77,000" in text
        assert "pings of WebSocket" in text


def echo(*rates):
    return {"echo": [{"rate": rate, "cpu_us": 1, "count": 9} for rate in rates]}


RESULTS = {
    "machine": dict.fromkeys(("processor", "cores", "kernel", "python", "node", "redis"), "1"),
    "table": {"ours": echo(2000, 3000, 4000), "node": echo(2000)},
    "attackers": {"pings": [{"count": 9, "p50_ms": 1, "p99_ms": 2, "max_ms": 3}]},
    "relay": {"ours": {"one": [{"rate": 66_000, "count": 9}]}},
    "publishing": {
        "ours": [{"rate": 7000, "count": 9, "cpu_us": 70, "redis_us": 20}],
        "50": [{"rate": 77_000, "count": 9, "cpu_us": 9, "redis_us": 5}],
    },
}


def test_event_streams_are_measured(tmp_path):
    with redis(tmp_path) as url, streams.running("ours", tmp_path, url) as (server, port):
        readers = streams.Readers(port, SUBSCRIBERS)
        with streams.publisher("ours", url) as publish:
            rate, cpu = streams.deliver(readers, publish, server, 0.3)
        readers.close()
        assert rate > 0
        assert cpu >= 0
        assert streams.kept(server, port, SUBSCRIBERS, streams.idle_streams) < 1000
