"""A real Redis Cluster on free ports of this machine; its data is in memory only."""

import itertools
import signal
import subprocess

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from django_socketio.relay.topics import channel_topic
from tests.kit.programs import free_port
from tests.kit.redis_server import DEFAULT, answers, program
from tests.kit.tap import Tap
from tests.kit.waiting import wait_until

TIMEOUT = 20


def topic_of(cluster, relay, node):
    """Return a topic that a node serves."""
    topics = (channel_topic("/", str(number)) for number in range(1000))
    return next(one for one in topics if cluster.node_of(relay._keyspace.channel(one)) is node)


class ClusterNode:
    """One process of Redis; with a tap, all but the test itself reach it by the tap."""

    def __init__(self, folder, name, node_timeout, options, has_tap=False):
        folder.mkdir()
        self.port, bus_port = free_port(), free_port()
        command = [program(name), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--cluster-enabled", "yes", "--cluster-port", str(bus_port)]
        command += ["--cluster-node-timeout", str(node_timeout), "--save", "", "--dir", str(folder)]
        command += ["--repl-diskless-sync-delay", "0"]
        self.tap = Tap(self.port) if has_tap else None
        if self.tap is not None:
            command += ["--cluster-announce-port", str(self.tap.port)]
        self._command = [*command, *options]
        self.bus_port = bus_port
        self.client = redis.Redis(port=self.port)
        self.start()
        self.id = self.run("MYID").decode()

    @property
    def announced(self):
        """The port by which the cluster has others reach it."""
        return self.port if self.tap is None else self.tap.port

    def start(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.client), "Redis did not start")

    def run(self, *command):
        """Run a subcommand of CLUSTER."""
        return self.client.execute_command("CLUSTER", *command)

    def knows(self, count):
        """Whether it knows so many nodes, and that all slots are served."""
        info = self.run("INFO")
        info = (
            info
            if isinstance(info, dict)
            else dict(line.split(":") for line in info.decode().split())
        )
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == count

    @property
    def is_primary(self):
        return self.client.info("replication")["role"] == "master"

    def kill_connections(self):
        for kind in ("normal", "pubsub"):
            self.client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """End it, and what belongs to it."""
        self.resume()
        self.stop()
        self.client.close()
        if self.tap is not None:
            self.tap.close()


class RedisCluster:
    """Primaries, each with its share of the slots; the first has a replica, if wanted."""

    def __init__(
        self,
        folder,
        name=DEFAULT,
        primaries=3,
        node_timeout=15_000,
        replica=False,
        options=(),
        taps=False,
    ):
        self._make = lambda node: ClusterNode(folder / node, name, node_timeout, options, taps)
        self.nodes = []
        try:
            self._form(primaries, replica)
        except BaseException:  # nodes that nobody ends would look for each other for ever
            self.__exit__()
            raise
        seeds = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])
        self.url = f"redis+cluster://{seeds}"

    def _form(self, primaries, replica):
        """Start the nodes, and wait until they know each other and serve all slots."""
        for number in range(primaries):
            self.nodes.append(self._make(str(number)))
        for number, node in enumerate(self.nodes):
            first = REDIS_CLUSTER_HASH_SLOTS * number // primaries
            last = REDIS_CLUSTER_HASH_SLOTS * (number + 1) // primaries - 1
            node.run("SET-CONFIG-EPOCH", number + 1)
            node.run("ADDSLOTSRANGE", first, last)
        if replica:
            self.nodes.append(self._make("replica"))
        for node, other in itertools.combinations(self.nodes, 2):
            node.run("MEET", "127.0.0.1", other.port, other.bus_port)
        self.wait_until_whole()
        if replica:
            self.nodes[-1].run("REPLICATE", self.nodes[0].id)
            wait_until(self._replica_is_in_step, "the replica did not come into step")

    def run(self, *command):
        """Run a command on all nodes."""
        for node in self.nodes:
            node.client.execute_command(*command)

    def wait_until_whole(self):
        count = len(self.nodes)
        wait_until(
            lambda: all(node.knows(count) for node in self.nodes), "the cluster is not whole"
        )

    def _replica_is_in_step(self):
        info = self.nodes[-1].client.info("replication")
        known = self.nodes[-2].run("REPLICAS", self.nodes[0].id)
        return info["role"] == "slave" and info["master_link_status"] == "up" and known

    def node_of(self, name):
        """Return the node that serves a name."""
        for start, end, (_, port, *_), *_ in self.nodes[-1].client.execute_command("CLUSTER SLOTS"):
            if start <= key_slot(name.encode()) <= end:
                return next(node for node in self.nodes if node.announced == port)

    def move_slot(self, name, target, meanwhile=lambda: None):
        """Move the slot of a name, with its keys, as redis-cli does it."""
        slot, source = key_slot(name.encode()), self.node_of(name)
        target.run("SETSLOT", slot, "IMPORTING", source.id)
        source.run("SETSLOT", slot, "MIGRATING", target.id)
        meanwhile()
        while keys := source.run("GETKEYSINSLOT", slot, 10):
            where = ["127.0.0.1", target.port, "", 0, 5000, "KEYS"]
            source.client.execute_command("MIGRATE", *where, *keys)
        meanwhile()
        others = (n for n in self.nodes if n not in (source, target) and n.is_primary)
        for node in (target, source, *others):
            node.run("SETSLOT", slot, "NODE", target.id)

    def kill_connections(self):
        """Kill the connections of all other clients."""
        for node in self.nodes:
            node.kill_connections()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for node in self.nodes:
            node.end()
