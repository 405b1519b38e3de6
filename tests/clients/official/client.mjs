// The official Socket.IO client, driven from a test: a command is a line of JSON on stdin, and what
// happens to the client's sockets is told as lines of JSON on stdout.
//
//   {"do": "connect", "socket": "a", "url": "http://…/namespace", "options": {…}, "agent": "keep"}
//   {"do": "emit",    "socket": "a", "events": [["name", argument, …], …]}      all in one go
//   {"do": "ask",     "socket": "a", "event": ["name", argument, …], "timeout": ms}
//                                                tells the "answer"; with a timeout, its "error" as well
//   {"do": "reply",   "socket": "a", "event": "name", "with": [argument, …]}    acks it from now on
//   {"do": "join",    "socket": "b", "beside": "a", "namespace": "/name", "options": {…}}
//   {"do": "keep",    "socket": "a", "until": argument}       tells events as one list, "kept"
//   {"do": "disconnect", "socket": "a"}
//   {"do": "again",   "socket": "a"}                          disconnects and connects at once
//   {"do": "forget"}                                          disconnects all that there are
//
// Bytes are written as {"$bytes": base64}. A socket that joins beside another shares its connection.

import http from "node:http";
import { createInterface } from "node:readline";
import { Fetch, io } from "socket.io-client";

const sockets = new Map();
const replies = new Map();
const agents = new Map();
const keeping = new Map();

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

function connect({ socket: name, url, options, agent }) {
  if (agent !== undefined) {
    agents.set(name, new CountingAgent({ keepAlive: agent === "keep" }));
    options = { ...options, agent: agents.get(name) };
  }
  if (options.transports?.includes("fetch")) {
    options = { ...options, transports: [Fetch] };
  }
  const socket = io(url, { ...options, forceNew: true });
  socket.io.on("open", () => watchUpgrade(name, socket.io.engine));
  socket.io.on("ping", () => tell(name, "ping"));
  watch(name, socket);
}

function join({ socket: name, beside, namespace, options }) {
  watch(name, sockets.get(beside).io.socket(namespace, options));
}

function watch(name, socket) {
  sockets.set(name, socket);
  socket.on("connect", () => tell(name, "connect", { id: socket.id }));
  socket.on("connect_error", (error) => tell(name, "connect_error", { message: error.message }));
  socket.on("disconnect", (reason) => tell(name, "disconnect", ended(name, socket, reason)));
  socket.onAny((...event) => receive(name, event));
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
  disconnect: ({ socket }) => sockets.get(socket).disconnect(),
  again: ({ socket }) => sockets.get(socket).disconnect().connect(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...command } = fromJSON(JSON.parse(line));
  commands[name](command);
}
process.exit(0);
