// The official Socket.IO client, driven from a test: a command is a line of JSON on stdin, and what
// happens to the client's sockets is told as lines of JSON on stdout.
//
//   {"do": "connect", "socket": "a", "url": "http://…/namespace", "options": {…}, "agent": "keep"}
//                                                "cut": "upgrading" closes its engine while it upgrades
//   {"do": "emit",    "socket": "a", "events": [["name", argument, …], …]}      all in one go
//                                                "old": true takes the client of Socket.IO 2
//   {"do": "ask",     "socket": "a", "event": ["name", argument, …], "timeout": ms}
//                                                tells the "answer"; with a timeout, its "error" as well
//   {"do": "reply",   "socket": "a", "event": "name", "with": [argument, …]}    acks it from now on
//   {"do": "join",    "socket": "b", "beside": "a", "namespace": "/name", "options": {…}}
//   {"do": "keep",    "socket": "a", "until": argument}       tells events as one list, "kept"
//   {"do": "roam",    "socket": "a", "channels": [name, …], "most": ms, "until": argument}
//                                                subscribes, and breaks its connection again and again;
//                                                tells all as one list, "roamed"
//   {"do": "settle"}                                          has those sockets break no more
//   {"do": "report",  "socket": "a"}                          tells "roamed" now
//   {"do": "disconnect", "socket": "a"}
//   {"do": "again",   "socket": "a"}                          disconnects and connects at once
//   {"do": "break",   "socket": "a"}                          closes the engine, and so comes back
//   {"do": "forget"}                                          disconnects all that there are
//
// Bytes are written as {"$bytes": base64}. A socket that joins beside another shares its connection.

import http from "node:http";
import { createInterface } from "node:readline";
import { Fetch, io } from "socket.io-client";
import oldIo from "socket.io-client-2";

const sockets = new Map();
const replies = new Map();
const agents = new Map();
const keeping = new Map();
const logs = new Map();
let isSettled = false;

class CountingAgent extends http.Agent {
  connections = 0;

  createConnection(...args) {
    this.connections += 1;
    return super.createConnection(...args);
  }
}

function tell(socket, what, details = {}) {
  process.stdout.write(JSON.stringify(toJSON({ socket, what, ...details })) + "\n");
}

function toJSON(value) {
  if (Buffer.isBuffer(value) || value instanceof ArrayBuffer) {
    return { $bytes: Buffer.from(value).toString("base64") };
  }
  return mapped(value, toJSON);
}

function fromJSON(value) {
  if (typeof value?.$bytes === "string") {
    return Buffer.from(value.$bytes, "base64");
  }
  return mapped(value, fromJSON);
}

function mapped(value, convert) {
  if (Array.isArray(value)) {
    return value.map(convert);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, convert(v)]));
  }
  return value;
}

function connect({ socket: name, url, options, agent, old, cut }) {
  if (agent !== undefined) {
    agents.set(name, new CountingAgent({ keepAlive: agent === "keep" }));
    options = { ...options, agent: agents.get(name) };
  }
  if (options.transports?.includes("fetch")) {
    options = { ...options, transports: [Fetch] };
  }
  if (old) {
    return connectOld(name, oldIo(url, { ...options, forceNew: true }));
  }
  const socket = io(url, { ...options, forceNew: true });
  socket.io.on("open", () => watchUpgrade(name, socket.io.engine));
  if (cut) socket.io.once("open", () => socket.io.engine.once(cut, () => breakAt(name, socket.io.engine)));
  socket.io.on("ping", () => tell(name, "ping"));
  watch(name, socket);
}

function join({ socket: name, beside, namespace, options }) {
  watch(name, sockets.get(beside).io.socket(namespace, options));
}

function connectOld(name, socket) {
  sockets.set(name, socket);
  socket.io.on("open", () => watchUpgrade(name, socket.io.engine));
  socket.on("connect", () => tell(name, "connect", { id: socket.id }));
  socket.on("error", (error) => tell(name, "connect_error", { message: error.message ?? error }));
  socket.on("connect_error", (error) => tell(name, "connect_error", { message: error.message }));
  socket.on("disconnect", (reason) => tell(name, "disconnect", { reason }));
  socket.on("pong", () => tell(name, "pong"));
  socket.onevent = (packet) => {
    const ack = packet.id === undefined ? [] : [socket.ack(packet.id)];
    receive(name, [...packet.data, ...ack]);
  };
}

function watch(name, socket) {
  sockets.set(name, socket);
  socket.on("connect", () => tell(name, "connect", { id: socket.id, recovered: !!socket.recovered }));
  socket.on("connect_error", (error) => tell(name, "connect_error", { message: error.message }));
  socket.on("disconnect", (reason) => tell(name, "disconnect", ended(name, socket, reason)));
  socket.onAny((...event) => receive(name, event));
}

function breakAt(name, engine) {
  engine.close();
  tell(name, "cut");
}

function watchUpgrade(name, engine) {
  engine.once("upgrade", (transport) => tell(name, "upgrade", { transport: transport.name }));
}

function ended(name, socket, reason) {
  const comesBack = socket.active;
  return { reason, comesBack, connections: agents.get(name)?.connections };
}

function receive(name, event) {
  const ack = typeof event.at(-1) === "function" ? event.pop() : undefined;
  if (keeping.has(name)) {
    keep(name, event);
  } else {
    tell(name, "event", { event });
  }
  ack?.(...(replies.get(`${name} ${event[0]}`) ?? []));
}

function keep(name, event) {
  const { events, until } = keeping.get(name);
  events.push(event);
  if (event.at(-1) === until) {
    keeping.delete(name);
    tell(name, "kept", { events });
  }
}

// Notes what comes, and each connection with whether it was recovered; those that were not subscribe.
function roam({ socket: name, url, options, channels, most, until }) {
  const socket = io(url, { ...options, forceNew: true });
  const waiting = new Set(channels);
  const log = [];
  sockets.set(name, socket);
  logs.set(name, log);
  socket.on("connect", () => {
    log.push(["connect", !!socket.recovered, socket.id]);
    if (log.length === 1) tell(name, "connect", { id: socket.id, recovered: false });
    channels.forEach((channel) => socket.recovered || subscribe(channel));
    setTimeout(() => isSettled || breakOff(socket), Math.random() * most);
  });
  const now = () => Number(process.hrtime.bigint()) / 1e9; // as Python's time.monotonic()
  const subscribe = (channel) =>
    socket.emit("subscribe", channel, () => log.push(["subscribed", channel, now()]));
  socket.onAny((...event) => {
    log.push(event);
    if (event[2] === until) waiting.delete(event[1]);
    if (waiting.size === 0) commands.report({ socket: name });
  });
}

// In order, by a reset, or by silence, which both sides notice by the pings that do not come.
function breakOff(socket) {
  const engine = socket.io.engine;
  const tcp = engine.transport.ws?._socket;
  const ways = tcp ? [() => engine.close(), () => tcp.resetAndDestroy(), () => tcp.pause()] : [() => engine.close()];
  ways[Math.floor(Math.random() * ways.length)]();
}

function ask({ socket: name, event, timeout }) {
  const socket = sockets.get(name);
  if (timeout === undefined) {
    socket.emit(...event, (...args) => tell(name, "answer", { args: args.map(shown) }));
  } else {
    const told = (error, ...args) => tell(name, "answer", { error: shown(error), args });
    socket.timeout(timeout).emit(...event, told);
  }
}

function shown(value) {
  return value instanceof Error ? { error: value.message } : value;
}

function forget() {
  sockets.forEach((socket) => socket.disconnect());
  [sockets, replies, agents, keeping].forEach((map) => map.clear());
}

const commands = {
  connect,
  join,
  forget,
  emit: ({ socket, events }) => events.forEach((event) => sockets.get(socket).emit(...event)),
  ask,
  reply: ({ socket, event, with: args }) => replies.set(`${socket} ${event}`, args),
  keep: ({ socket, until }) => keeping.set(socket, { events: [], until }),
  roam,
  report: ({ socket }) => tell(socket, "roamed", { log: logs.get(socket) }),
  settle: () => { isSettled = true; },
  disconnect: ({ socket }) => sockets.get(socket).disconnect(),
  break: ({ socket }) => sockets.get(socket).io.engine.close(),
  again: ({ socket }) => sockets.get(socket).disconnect().connect(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...command } = fromJSON(JSON.parse(line));
  commands[name](command);
}
process.exit(0);
