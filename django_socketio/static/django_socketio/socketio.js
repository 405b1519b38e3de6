/*
 * The browser client of django-socketio: Socket.IO protocol v5 over Engine.IO v4.
 *
 *   const socket = new io.Socket();
 *   socket.on("connect", () => socket.subscribe("news").send("hello"));
 *   socket.on("message", (data) => console.log(data));
 *   socket.connect();
 *
 * From the bottom up: Address and the two transports use the network. Engine is one Engine.IO session
 * over one transport. encode and Decoder convert Socket.IO packets. Socket, the public class, outlives
 * its sessions: after each reconnect, it subscribes again and sends the messages that waited.
 */
(() => {
  "use strict";
  if (window.io?.Socket?.prototype.subscribe) return; // the page was replaced as a whole, with its scripts

  // <script src="…/socketio.js" data-port="9000" data-path="/socket.io/"></script>
  const scriptDefaults = { ...document.currentScript?.dataset };
  const DEFAULTS = {
    transports: ["websocket", "polling"], withCredentials: false, bufferSize: 1000, autoConnect: true,
    timeout: 20000, ackTimeout: Infinity, positions: true,
    reconnection: true, reconnectionAttempts: Infinity,
    reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5,
  };

  const FALLBACK_DELAY = 5000; // ms for a transport to open, if another one can be tried
  const KEEPALIVE_LIMIT = 60000; // browsers refuse keepalive requests above 64 KiB
  const SEPARATOR = "\x1e";
  const EXPECTED = 'socket.io: expected the URL of a server, such as "https://example.com"';
  const CHANNEL = "channel,"; // begins the name of a channel's topic
  const TOKEN = "socketio.channel:"; // begins the token of a channel
  const KEPT_TOPICS = 100; // until the server says how many positions it takes
  const KEPT_IDS = 1000; // as many messages as the log of a topic has
  const KEPT_SOCKETS = 100; // what they sent to others does not come back
  const KEPT_PAGES = 10; // before this one, as far as it has their positions
  const [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT] = [0, 1, 2, 3, 4, 5];
  const BINARY = BINARY_EVENT - EVENT; // added to the type of a packet with attachments
  const RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

  // Calls a function of the site. An exception goes to the console and does not affect the connection.
  function safely(fn, self, ...args) {
    try {
      fn.apply(self, args);
    } catch (error) {
      setTimeout(() => { throw error; });
      return error;
    }
    return null;
  }

  function check(event) {
    if (RESERVED.includes(event)) throw new Error(`"${event}" is a reserved event name`);
  }

  const byteLength = (data) => data.byteLength ?? new TextEncoder().encode(data).length;
  const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer;
  const toBase64 = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));

  class Timer {
    #id = null;
    get running() { return this.#id !== null; }
    stop() { clearTimeout(this.#id); this.#id = null; }

    // Infinity means never; setTimeout would run the action at once.
    start(delay, action) {
      this.stop();
      if (delay < 2 ** 31) this.#id = setTimeout(() => { this.#id = null; action(); }, delay);
    }
  }

  // The delay grows after each failure; jitter spreads the reconnects of many browsers.
  class Retry extends Timer {
    attempts = 0;
    constructor(options, action) { super(); Object.assign(this, { options, action }); }

    get exhausted() { return this.attempts >= this.options.reconnectionAttempts; }
    schedule() { this.start(this.#delay(), this.action); this.attempts += 1; }
    hurry() { if (this.running) this.start(0, this.action); }
    now() { if (!this.running) this.schedule(); this.hurry(); }
    reset() { this.stop(); this.attempts = 0; }

    #delay() {
      const { reconnectionDelay, reconnectionDelayMax, randomizationFactor } = this.options;
      const jitter = 1 + randomizationFactor * (2 * Math.random() - 1);
      const longest = reconnectionDelayMax / (1 + randomizationFactor); // so that none is cut off
      return Math.min(longest, reconnectionDelay * 2 ** this.attempts) * jitter;
    }
  }

  // Lists are replaced, never changed, so that a listener may add and remove others while it runs.
  class Listeners {
    #lists = new Map();
    #list(event) { return this.#lists.get(event) ?? []; }
    has(event) { return this.#list(event).length > 0; }
    add(event, fn, once) { this.#lists.set(event, [...this.#list(event), { fn, once }]); }

    remove(event, fn) {
      if (event === undefined) this.#lists.clear();
      else this.#lists.set(event, fn ? this.#list(event).filter((one) => one.fn !== fn) : []);
    }

    fire(self, event, ...args) {
      const list = this.#list(event);
      this.#lists.set(event, list.filter((one) => !one.once));
      list.forEach(({ fn }) => safely(fn, self, ...args));
    }
  }

  // The listeners of the connection. As in the official client, they are separate from those of the
  // socket, because a site may have its own event "reconnect".
  class Manager {
    #listeners;
    constructor(listeners) { this.#listeners = listeners; }

    on(event, fn) { this.#listeners.add(event, fn, false); return this; }
    once(event, fn) { this.#listeners.add(event, fn, true); return this; }
    off(event, fn) { this.#listeners.remove(event, fn); return this; }
  }

  // Returns the URL of a server, or null if the parts are wrong. The parser gets no path, because it
  // would take the first part of a path for a missing host.
  function serverURL(scheme, name, port) {
    if (!/^(http|ws)s?:$/.test(scheme) || /^\d*:?\d*$|:$/.test(name) || !/^\d*$/.test(port)) return null;
    const suffix = port && !/:\d+$/.test(name) ? `:${port}` : "";
    try {
      return new URL(`${scheme.replace("ws", "http")}//${name}${suffix}`);
    } catch {
      return null;
    }
  }

  // "example.com", "example.com:9000" or "https://example.com:9000/admin"; without a host
  // ("" or "/admin"), the page's own server. Pages at about:, blob:, data: and file: have none.
  const HOST = /^(?:([a-z][\w+.-]*:)?(\/\/))?([^/\\?#]*)([^?#]*)([^#]*)/i;

  class Address {
    #server; #query;
    constructor(host, options, page = location, script = scriptDefaults) {
      const text = String(host?.href ?? host ?? "").trim();
      const [, scheme, slashes, name, route, search] = HOST.exec(text);
      const { secure } = options;
      if (!/^https?:$/.test(page.protocol) && !(name && (scheme || secure != null)))
        throw new Error(`${EXPECTED}: a page at ${page.protocol} has none of its own`);
      const ownScheme = secure ?? page.protocol === "https:" ? "https:" : "http:";
      const port = options.port ?? (slashes ? "" : script.port || page.port);
      this.isDefault = !name && !options.port; // the page names no server of its own
      const url = serverURL(scheme?.toLowerCase() ?? ownScheme, name || (slashes ? "" : page.hostname), port);
      if (!url) throw new Error(`${EXPECTED}, not "${text.split("?")[0]}" with the port "${port}"`);
      const path = options.path ?? script.path ?? "socket.io";
      url.pathname = ["", ...path.split("/").filter(Boolean), ""].join("/");
      this.#server = url.href.slice("http".length);
      // Without positions, this client has no way to come back: no event is to have an offset for that.
      const recovery = options.positions ? {} : { recovery: 0 };
      this.#query = { ...Object.fromEntries(new URLSearchParams(search)), ...options.query, ...recovery };
      this.namespace = (options.namespace ?? route).replace(/^\/*/, "/");
    }

    get name() { return `socket.io ${this.#server} ${this.namespace}`; }

    url(scheme, extra) {
      return `${scheme}${this.#server}?${new URLSearchParams({ ...this.#query, EIO: 4, ...extra })}`;
    }
  }

  // Under DEBUG, after a failure to connect to the port that the script element names: asks the server of
  // the page, which cannot hold sockets and says, here and on its terminal, which server to run.
  let isExplained = scriptDefaults.explains === undefined;
  async function explain(error) {
    if (isExplained) return;
    isExplained = true;
    const { port, path } = scriptDefaults;
    const response = await fetch(`${path}?EIO=4&transport=polling`).catch(() => null);
    const advice = response?.status === 501 ? await response.text() : "Run `manage.py runserver_socketio`.";
    console.error(`socket.io: no connection to port ${port} (${error?.message}). ${advice}`);
  }

  // A transport opens in its constructor, and calls engine.receive and engine.lost until close().
  class WebSocketTransport {
    name = "websocket";
    #socket;
    constructor(address, engine) {
      this.#socket = new WebSocket(address.url("ws", { transport: "websocket" }));
      this.#socket.binaryType = "arraybuffer";
      this.#socket.onmessage = ({ data }) => engine.receive(data);
      this.#socket.onerror = () => engine.lost("transport error", new Error("the WebSocket failed"));
      this.#socket.onclose = ({ code, reason }) =>
        engine.lost("transport close", new Error(`the WebSocket was closed: ${code} ${reason}`));
    }

    get isClosing() { return this.#socket?.readyState === WebSocket.CLOSING; }
    encode(packet) { return packet; }
    send(frames) { frames.forEach((frame) => this.#socket.send(frame)); }
    close() { Object.assign(this.#socket, { onmessage: null, onerror: null, onclose: null }).close(); }
  }

  // One GET waits for packets of the server. One POST at a time keeps the order of sent packets.
  class PollingTransport {
    name = "polling";
    #queue = []; #sending = null; #closed = false;
    #poll = new AbortController();
    constructor(address, engine, options) {
      Object.assign(this, { address, engine, options });
      this.#receive().catch((error) => this.#lost(error));
    }

    get isClosing() { return this.#closed && this.#sending !== null; } // the close packet is on its way
    encode(packet) { return typeof packet === "string" ? packet : `b${toBase64(packet)}`; }
    send(frames) { this.#queue.push(...frames); this.#flushInTurn().catch((error) => this.#lost(error)); }

    // Sends a close packet after the queue, or at once if the page is being unloaded.
    close(leaving = false) {
      if (this.#closed) return;
      this.#closed = true;
      const hangUp = () => this.#poll.abort();
      if (!this.engine.session) return hangUp();
      this.#queue.push("1");
      (leaving ? this.#flush() : this.#flushInTurn()).then(hangUp, hangUp);
      if (leaving) hangUp();
    }

    async #receive() {
      while (!this.#closed) {
        const body = await this.#request({ signal: this.#poll.signal });
        for (const packet of body.split(SEPARATOR)) if (!this.#closed) this.engine.receive(packet);
      }
    }

    async #flush() { while (this.#queue.length) await this.#post(this.#nextPayload()); }
    #flushInTurn() { return this.#sending ??= this.#flush().finally(() => { this.#sending = null; }); }

    #post(body) {
      const keepalive = this.#closed && byteLength(body) < KEEPALIVE_LIMIT;
      return this.#request({ method: "POST", body, keepalive });
    }

    // Returns as many queued packets as the server accepts in one request.
    #nextPayload() {
      let size = -SEPARATOR.length;
      const fits = (packet) => (size += SEPARATOR.length + byteLength(packet)) <= this.engine.maxPayload;
      const excess = this.#queue.findIndex((packet) => !fits(packet));
      return this.#queue.splice(0, excess < 0 ? Infinity : excess).join(SEPARATOR);
    }

    async #request(init) {
      const t = Date.now().toString(36) + Math.random().toString(36).slice(2); // defeats caches
      const { sid } = this.engine.session ?? {};
      const url = this.address.url("http", { transport: "polling", t, ...(sid && { sid }) });
      const credentials = this.options.withCredentials ? "include" : "same-origin";
      const response = await fetch(url, { cache: "no-store", credentials, ...init });
      const text = await response.text();
      if (!response.ok) throw new Error(`HTTP ${response.status}: ${text.slice(0, 500)}`);
      return text;
    }

    #lost(error) {
      if (this.#closed) return;
      this.#closed = true; // no close packet: the server does not answer
      this.#poll.abort();
      this.engine.lost("transport error", error);
    }
  }

  const TRANSPORTS = { websocket: WebSocketTransport, polling: PollingTransport };

  // One Engine.IO session: finds a working transport and answers pings. It calls its owner's opened(),
  // message(data) and, unless the owner closes the session, closed(reason, error).
  class Engine {
    session = null;
    #transport = null; #timer = new Timer(); #deadline = Infinity;
    constructor(address, options, owner) {
      Object.assign(this, { address, options, owner, untried: [...options.transports] });
      this.#tryNext(new Error("no transport to try"));
    }

    get isClosing() { return Boolean(this.#transport?.isClosing); }
    get transportName() { return this.session && this.#transport.name; }
    get maxPayload() { return this.session.maxPayload ?? Infinity; }

    // A message above the server's limit would end the connection, so this throws before sending.
    send(packets) {
      const frames = packets.map((packet) => this.#transport.encode(packet));
      const size = Math.max(...frames.map(byteLength));
      if (size > this.maxPayload) throw new RangeError(`${size} bytes: the server takes ${this.maxPayload}`);
      this.#transport.send(frames);
    }

    receive(packet) {
      try {
        if (typeof packet === "string") this.#handle(packet[0], packet.slice(1));
        else this.owner.message(packet);
      } catch (error) {
        this.lost("parse error", error);
      }
    }

    lost(reason, error) {
      if (!this.session) return this.#tryNext(error);
      this.close();
      this.owner.closed(reason, error);
    }

    close(leaving) { this.#timer.stop(); this.#transport?.close(leaving); }

    // Timers stop in background tabs and suspended machines, so the clock decides.
    checkHeartbeat() {
      const left = this.#deadline - Date.now();
      if (left <= 0) this.lost("ping timeout", new Error("the server has stopped sending pings"));
      else if (this.session) this.#timer.start(left, () => this.checkHeartbeat());
    }

    // new WebSocket may throw; the owner is called only after it has this engine.
    #tryNext(error) {
      this.close();
      const name = this.untried.shift();
      if (!name) return this.owner.closed("transport error", error);
      const delay = Math.min(this.options.timeout, this.untried.length ? FALLBACK_DELAY : Infinity);
      this.#timer.start(delay, () => this.#tryNext(new Error("timeout")));
      try {
        this.#transport = new TRANSPORTS[name](this.address, this, this.options);
      } catch (failure) {
        this.#timer.start(0, () => this.#tryNext(failure));
      }
    }

    #handle(type, data) {
      switch (type) {
        case "0": return this.#open(JSON.parse(data));
        case "1": return this.lost("transport close", new Error("the server closed the session"));
        case "2": return this.#pong(data);
        case "4": return this.owner.message(data);
        case "6": return undefined; // noop
        case "b": return this.owner.message(fromBase64(data));
        default: throw new Error(`not an Engine.IO packet: ${type}${data.slice(0, 100)}`);
      }
    }

    #open(session) { this.session = session; this.#expectPing(); this.owner.opened(); }
    #pong(data) { this.#expectPing(); this.#transport.send([`3${data}`]); }

    #expectPing() {
      this.#deadline = Date.now() + this.session.pingInterval + this.session.pingTimeout;
      this.checkHeartbeat();
    }
  }

  // Returns the Engine.IO packets of one Socket.IO packet: its text, then its attachments.
  function encode({ type, namespace, id = "", data }) {
    const attachments = [];
    const json = data === undefined ? "" : JSON.stringify(data, (key, value) => detach(value, attachments));
    const kind = attachments.length ? `${type + BINARY}${attachments.length}-` : type;
    return [`4${kind}${namespace === "/" ? "" : `${namespace},`}${id}${json}`, ...attachments];
  }

  // Copies the bytes, so that a waiting message does not change with its array.
  function detach(value, attachments) {
    if (value instanceof Blob) throw new TypeError("a Blob cannot be sent: send await blob.arrayBuffer()");
    if (!(value instanceof ArrayBuffer || ArrayBuffer.isView(value))) return value;
    const copy = new Uint8Array(value.buffer ?? value, value.byteOffset, value.byteLength).slice().buffer;
    return { _placeholder: true, num: attachments.push(copy) - 1 };
  }

  function parse(text) {
    const match = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*)(?:,|$))?(\d+)?(.*)$/s.exec(text);
    if (!match) throw new Error(`not a Socket.IO packet: ${text.slice(0, 100)}`);
    const [, type, count = 0, namespace = "/", id, json] = match;
    return { type: Number(type), count: Number(count), namespace, id: id && Number(id), json, attachments: [] };
  }

  function complete({ type, namespace, id, json, attachments }) {
    const isBinary = type >= BINARY_EVENT;
    const attach = (key, value) => (value?._placeholder === true ? attachments[value.num] : value);
    const data = json ? JSON.parse(json, isBinary ? attach : null) : undefined;
    return { type: isBinary ? type - BINARY : type, namespace, id, data };
  }

  class Decoder {
    #partial = null;

    // Returns a packet when it is complete, null while attachments are missing.
    add(chunk) {
      if ((typeof chunk === "string") === Boolean(this.#partial)) throw new Error("attachments out of order");
      if (this.#partial) this.#partial.attachments.push(chunk);
      const packet = this.#partial ?? parse(chunk);
      const done = packet.attachments.length === packet.count;
      this.#partial = done ? null : packet;
      return done ? complete(packet) : null;
    }
  }

  // The callbacks that wait for answers. Their first argument is an error, if there is one.
  class Acks {
    #waiting = new Map();
    has(id) { return this.#waiting.has(id); }
    failAll(error, but) { [...this.#waiting.keys()].forEach((id) => but.has(id) || this.settle(id, error)); }

    add(id, callback, timeout) {
      const timer = new Timer();
      timer.start(timeout, () => this.settle(id, new Error("operation has timed out")));
      this.#waiting.set(id, (...answer) => { timer.stop(); safely(callback, null, ...answer); });
    }

    settle(id, ...answer) {
      const callback = this.#waiting.get(id);
      this.#waiting.delete(id);
      callback?.(...answer);
    }
  }

  // The position of each topic that the socket is on, which the server tells and the next connection
  // presents. A message for several topics has no position but an id, by which its copies are known.
  class Positions {
    static #owners = new Map(); // of the entries of sessionStorage: the positions of active sockets
    #at = new Map(); #ids = new Set(); #formerIds = []; #key;
    #limit = KEPT_TOPICS; #dropped = new Set(); // topics whose positions the server could not take
    #leaving = new Map(); // channels that the page leaves, by its last request: messages on their way move no position
    #joined = new Map(); // channels that a handler has joined, after a position, until the page has an answer
    // The topics whose positions are from before a reload, or from the tab of which this one is a duplicate; and
    // with the topics of each such page, the ids that its sockets had: what they sent there is not for this one.
    #loaded = new Set(); #pages = [];
    constructor(name) { this.name = name; }

    // Takes the first entry that no other socket of the page has. So after a reload each socket goes on
    // with what it had, if they connect in the same order; and one that replaces another has its entry.
    open() {
      if (!this.name) return;
      const isNew = !this.#key;
      for (let n = 1; !this.#key || Positions.#owners.has(this.#key); n += 1)
        this.#key = n === 1 ? this.name : `${this.name} ${n}`;
      Positions.#owners.set(this.#key, this);
      if (isNew) this.#load();
    }

    close() {
      if (Positions.#owners.get(this.#key) !== this) return;
      this.save();
      Positions.#owners.delete(this.#key);
    }

    get(topic) { return this.#at.get(topic); }
    leave(topic, request) { this.forget(topic); this.#leaving.set(topic, request); }
    left(topic, request) { if (this.#leaving.get(topic) === request) this.#leaving.delete(topic); }

    set(topic, position) {
      this.#remove(topic);
      if (!this.#leaving.has(topic)) this.#at.set(topic, position); // the newest ones are the last
    }

    forget(topic) { this.#remove(topic); this.answered(topic); this.#dropped.delete(topic); }
    #remove(topic) { this.#at.delete(topic); this.#loaded.delete(topic); }
    #drop(topic) { this.forget(topic); this.#dropped.add(topic); }
    dropAll() {
      const hadSome = this.#at.size + this.#formerIds.length > 0;
      [...this.#at.keys()].forEach((topic) => this.#drop(topic));
      this.#formerIds = [];
      return hadSome;
    }

    wasDropped(topic) { return this.#dropped.delete(topic); } // its messages are missed, if the socket is on it again
    isOfHandler(topic) { return this.#joined.has(topic); }
    answered(topic) { this.#joined.delete(topic); }

    // What CONNECT presents: the positions of all topics, since a handler may join any channel, before the
    // page asks for it. The first of too many that are left out are the oldest of channels that it does not ask for.
    request(isAsked) {
      const rank = (topic) => (topic.startsWith(CHANNEL) ? 2 * isAsked(topic) : 1);
      const topics = [...this.#at.keys()].sort((one, other) => rank(one) - rank(other));
      topics.slice(0, Math.max(0, topics.length - this.#limit)).forEach((topic) => this.#drop(topic));
      const [at, begun] = [this.#at, this.#joined].map(Object.fromEntries);
      const was = this.#formerIds;
      return this.#at.size || was.length ? { at, was, before: this.#formerPages(), begun } : true;
    }

    // What the other tab sends to a channel whose position this one has been told is for this one.
    #formerPages() {
      const pages = this.#pages.map(([topics, ids]) => [topics.filter((topic) => this.#loaded.has(topic)), ids]);
      return pages.filter(([topics]) => topics.length).slice(-KEPT_PAGES);
    }

    // Takes what the server tells with CONNECT; of the topics that it tells nothing of, channels stay.
    welcome(id, positions, limit = KEPT_TOPICS) {
      this.#limit = limit;
      this.#formerIds = [...this.#formerIds, id].slice(-KEPT_SOCKETS);
      [...this.#at.keys()].filter((topic) => !topic.startsWith(CHANNEL)).forEach((topic) => this.forget(topic));
      this.update(positions);
    }

    // Takes what the server tells later: of channels without a position, that a handler has joined them.
    moved(positions) {
      for (const [topic, position] of Object.entries(positions))
        if (!this.#at.has(topic) && !this.#leaving.has(topic)) this.#joined.set(topic, position);
      this.update(positions);
    }

    update(positions) {
      for (const [topic, position] of Object.entries(positions)) {
        if (position === null) this.forget(topic);
        else this.set(topic, position);
      }
    }

    // Removes the place from the arguments of an event. Returns whether it is the first copy.
    take(args) {
      const last = args[args.length - 1];
      if (!Array.isArray(last?._at) || Object.keys(last).length > 1) return true;
      const [topic, position] = args.pop()._at;
      if (position !== undefined) this.set(topic, position);
      return position !== undefined || topic === undefined || this.isFirst(topic);
    }

    isFirst(id) {
      if (this.#ids.has(id)) return false;
      this.#ids.add(id);
      if (this.#ids.size > KEPT_IDS) this.#ids.delete(this.#ids.values().next().value);
      return true;
    }

    save() {
      const kept = [[...this.#at], [...this.#ids], this.#formerIds, this.#formerPages(), this.#limit];
      if (this.#key) safely(() => sessionStorage.setItem(this.#key, JSON.stringify(kept)));
    }

    #load() {
      safely(() => {
        const kept = JSON.parse(sessionStorage.getItem(this.#key)) ?? [[], [], []];
        const [at, ids, was, pages = [], limit = KEPT_TOPICS] = kept;
        [this.#at, this.#ids, this.#loaded] = [new Map(at), new Set(ids), new Set(at.map(([topic]) => topic))];
        this.#pages = [...pages, [[...this.#loaded], was]];
        this.#limit = limit;
      });
    }
  }

  // Returns the channel of a token, and of any other text the text itself: it is a channel's name.
  function channelOf(text) {
    if (!String(text).startsWith(TOKEN)) return text;
    try {
      const [content] = text.slice(TOKEN.length).split(":");
      return JSON.parse(atob(content.replace(/-/g, "+").replace(/_/g, "/")))[0];
    } catch {
      return text; // the server says what is wrong with it
    }
  }

  const warn = (request, error) => console.warn(`socket.io: ${request}: ${error.message}`);

  // The server answers true or {error: "reason"}. Without a callback, a refusal is a warning.
  function conclude(request, callbacks, answer, past) {
    const error = answer === true ? null : new Error(answer?.error ?? "refused by the server");
    if (error && !callbacks.length) warn(request, error);
    callbacks.splice(0).forEach((callback) => safely(callback, null, error, ...(past ? [past] : [])));
  }

  // The channels of the page. The state of each is "idle" until this session has "asked" the server,
  // and then "accepted". ask(event, ...args, callback) sends the request. replay(name, past) takes what the
  // server tells of a channel's past. A channel with a token is asked for by it; the server's answer has the
  // token for the next time, which is renewed before it expires.
  class Channels {
    #wanted = new Map(); #online = false;
    constructor(ask, positions, replay, presences, refused) { Object.assign(this, { ask, positions, replay, presences, refused }); }

    get names() { return [...this.#wanted.keys()]; }
    isAccepted(name) { return this.#wanted.get(name)?.state === "accepted"; }
    online() { this.#online = true; this.#wanted.forEach((channel, name) => this.#subscribe(channel, name)); }
    offline() { this.#online = false; this.#wanted.forEach((channel) => this.#rest(channel)); }
    #rest(channel) { channel.state = "idle"; channel.renewal.stop(); }
    isWanted(topic) { return topic.startsWith(CHANNEL) && this.#wanted.has(topic.slice(CHANNEL.length)); }

    // Asks for several channels in one packet. callback(error, pasts) is called once all are answered;
    // error.refused has the text for each channel that was refused.
    addAll(list, options, callback) {
      if (typeof options === "function") [options, callback] = [undefined, options];
      const one = callback && this.#collector(list.length, callback);
      const group = {};
      const names = list.map((asked) => this.add(asked, options, one?.(channelOf(asked)), group));
      for (const name of names) if (this.#online && this.#wanted.has(name)) this.#subscribe(this.#wanted.get(name), name);
    }

    removeAll(list, callback) {
      const one = callback && this.#collector(list.length, callback);
      list.forEach((asked) => this.remove(asked, one?.(channelOf(asked))));
    }

    // Returns a function that makes the callback for each of several channels.
    #collector(left, callback) {
      const [refused, pasts] = [{}, {}];
      const finish = () => {
        const reasons = Object.entries(refused).map(([name, text]) => `${name}: ${text}`);
        const error = reasons.length ? Object.assign(new Error(reasons.join("; ")), { refused }) : null;
        callback(error, ...(Object.keys(pasts).length ? [pasts] : []));
      };
      if (!left) queueMicrotask(() => safely(finish));
      return (name) => (error, past) => {
        if (error) refused[name] = error.message;
        if (past) pasts[name] = past;
        left -= 1;
        if (!left) finish();
      };
    }

    // Asks once in each session, also if "connect" listeners subscribe again; for a history, each time.
    // A group has the channels that are asked for together.
    add(asked, options, callback, group) {
      if (typeof options === "function") [options, callback] = [undefined, options];
      const name = channelOf(asked);
      if (!this.#wanted.has(name)) this.#wanted.set(name, { state: "idle", callbacks: [], renewal: new Timer() });
      const channel = this.#wanted.get(name);
      const { last } = options ?? {};
      const isNew = asked !== name && asked !== channel.given && channel.state !== "accepted";
      if (isNew) channel.token = channel.given = asked; // otherwise, it has a newer one
      channel.group = group;
      if (channel.state === "accepted" && options) this.#read(name, options, callback ?? (() => {}));
      else if (channel.state === "asked" && (options ? callback || last === undefined : isNew))
        this.#await(channel, name, options, this.#orRead(channel, name, options, isNew && asked, callback));
      else this.#await(channel, name, options, callback);
      return name;
    }

    // Returns the callback for a past, or a token, that came after the running request. It reads the past then, unless
    // the request that is answered in the end has asked for it, or goes on from a position, or the page has left.
    #orRead(channel, name, options, token, callback) {
      const tell = callback ?? ((error) => error && warn(`subscribe ${name}`, error));
      const take = callback ?? ((error, past = { recovered: !error }) => {
        tell(error);
        if (this.#wanted.get(name) === channel) this.replay(name, past);
      });
      const wasAsked = (request) => request.resumes || (options ? request.options === options : request.token === token);
      const isDone = () => wasAsked(channel.request) || this.#wanted.get(name) !== channel;
      return (error, ...past) => (error || isDone() ? tell(error, ...past) : this.#read(name, options, take, token));
    }

    #await(channel, name, options, callback) {
      if (options) channel.options = options;
      if (callback) channel.callbacks.push(callback);
      if (channel.state === "accepted") queueMicrotask(() => conclude(name, channel.callbacks, true));
      else if (this.#online && !channel.group) this.#subscribe(channel, name);
    }

    // A session that has ended has no subscriptions, so an unsubscribe cannot fail there.
    remove(asked, callback) {
      const name = channelOf(asked);
      const pending = this.#wanted.get(name)?.callbacks ?? [];
      const done = (lost, answer) => {
        this.positions.left(CHANNEL + name, done);
        conclude(`unsubscribe ${name}`, callback ? [callback] : [], lost ? true : answer);
      };
      this.#drop(name);
      this.presences.left(name);
      this.positions.leave(CHANNEL + name, done);
      if (this.#online) this.ask("unsubscribe", name, done);
      else queueMicrotask(() => done(null, true));
      if (pending.length) conclude(name, pending, { error: "unsubscribed before the server answered" });
    }

    // The server has taken the page off a topic: the next subscribe asks again.
    taken(topic) {
      const name = topic.slice(CHANNEL.length);
      if (!this.isWanted(topic) || !this.isAccepted(name)) return;
      this.#rest(this.#wanted.get(name));
      this.presences.left(name);
    }

    #drop(name) { this.#wanted.get(name)?.renewal.stop(); this.#wanted.delete(name); }

    #subscribe(channel, name) {
      if (channel.state !== "idle") return;
      const since = this.#since(name, channel);
      const asked = since === undefined ? this.#togetherWith(channel) : [[name, channel]];
      const [resumes, options] = [since !== undefined, since === undefined ? channel.options : { since }];
      asked.forEach(([, one]) => Object.assign(one, { state: "asked", request: { token: one.given, options, resumes } }));
      this.#request(asked, options, (...answer) => this.#answered(...answer));
    }

    // The position to go on from. A past that the page asks for first is asked for although a handler has joined
    // the channel: the server leaves out what has come.
    #since(name, { options, token, given }) {
      const asksForPast = options || (token && token === given);
      return asksForPast && this.positions.isOfHandler(CHANNEL + name) ? undefined : this.positions.get(CHANNEL + name);
    }

    // Returns the channels that one request is for; one with a position needs a request of its own.
    #togetherWith(channel) {
      const { group, options } = channel;
      const isLike = (one) => group && one.group === group && one.options === options && one.state === "idle";
      const hasPosition = (name, one) => this.#since(name, one) !== undefined;
      return [...this.#wanted].filter(([name, one]) => one === channel || (isLike(one) && !hasPosition(name, one)));
    }

    #answered(name, channel, lost, answer, past) {
      if (lost || this.#wanted.get(name) !== channel) return;
      if (answer !== true && channel.given !== channel.request.token) return this.#askAgain(channel, name);
      if (answer === true) channel.state = "accepted";
      else this.#drop(name);
      this.positions.answered(CHANNEL + name);
      if (answer === true && past) this.replay(name, past);
      if (answer === true) this.presences.accepted(name);
      conclude(`subscribe ${name}`, channel.callbacks, answer, past?.messages && past);
      if (answer !== true) this.refused(name);
      channel.options = undefined; // they are for the first time, not for reconnects
    }

    // By the token that the page has given meanwhile.
    #askAgain(channel, name) { channel.state = "idle"; this.#subscribe(channel, name); }

    // By the token whose past is asked for; otherwise, by the newest one.
    #read(name, options, callback, token) {
      this.#request([[name, this.#wanted.get(name)]], options, (_name, _channel, lost, answer, past) =>
        conclude(`subscribe ${name}`, [callback], lost ? { error: lost.message } : answer, past?.messages && past), token);
    }

    // The answer for several channels is a list of answers, or an error for all of them.
    #request(channels, options, callback, given) {
      const asked = channels.map(([name, { token }]) => given || (token ?? name));
      const ofOne = (answer, index) => (asked.length > 1 && Array.isArray(answer) ? answer[index] : answer);
      const settle = (lost, answer, past) => channels.forEach(([name, channel], index) => {
        const told = ofOne(past, index);
        if (!lost && told?.token && this.#wanted.get(name) === channel) this.#keep(channel, name, told);
        callback(name, channel, lost, ofOne(answer, index), told);
      });
      try {
        this.ask("subscribe", asked.length === 1 ? asked[0] : asked, ...(options ? [options] : []), settle);
      } catch (error) { // too large, for example: others are asked for all the same
        queueMicrotask(() => settle(null, { error: error.message }));
      }
    }

    #keep(channel, name, { token, renew }) {
      channel.token = token;
      this.#renewIn(renew, channel, name, renew / 10);
    }

    // A renewal that fails is tried again: the token is still good for as long as it has been.
    #renewIn(seconds, channel, name, pause) {
      channel.renewal.start(seconds * 1000, () => this.#request([[name, channel]], null, (_name, _channel, lost, answer) => {
        if (!lost && answer !== true && this.#wanted.get(name) === channel) this.#renewIn(pause, channel, name, pause);
      }));
    }
  }

  // The people on channels, as the server tells of them; for socket.presence. ask(name, position) asks the
  // server, once the channel is accepted. A client that comes back brings the position that it has come to.
  class Presences {
    #watched = new Map();
    constructor(ask) { this.ask = ask; }

    add(name, callback, isAccepted) {
      if (!this.#watched.has(name)) this.#watched.set(name, { callbacks: new Set() });
      const watched = this.#watched.get(name);
      watched.callbacks.add(callback);
      if (watched.people) queueMicrotask(() => this.#call(watched, [callback], [...watched.people.values()]));
      else if (isAccepted && watched.callbacks.size === 1) this.ask(name);
      return () => { if (watched.callbacks.delete(callback) && !watched.callbacks.size) this.#watched.delete(name); };
    }

    accepted(name) { if (this.#watched.has(name)) this.ask(name, this.#watched.get(name).position); }
    left(name) {
      const watched = this.#watched.get(name);
      if (watched) watched.people = watched.next = watched.position = undefined;
    }

    take(name, { people, changes = [], page, pages, position }) {
      const watched = this.#watched.get(name);
      if (!watched || !(people || watched.people)) return; // a change that was on its way when the page left
      const before = watched.people ?? new Map();
      const next = people ? (page === 1 ? new Map() : watched.next) : new Map(watched.people);
      if (!next) return; // a page of a list whose beginning another session had
      watched.next = next;
      people?.forEach((person) => next.set(person.id, person));
      if (people && page < pages) return;
      changes.forEach(({ id, gone, ...person }) => (gone ? next.delete(id) : next.set(id, { id, ...person })));
      const isFirst = !watched.people;
      [watched.people, watched.next] = [next, undefined];
      if (page === pages) watched.position = position;
      const joined = [...next.values()].filter(({ id }) => !before.has(id));
      const left = [...before.values()].filter(({ id }) => !next.has(id));
      const isOther = (one, other) => other && JSON.stringify(one) !== JSON.stringify(other);
      const changed = [...next.values()].filter((person) => isOther(person, before.get(person.id)));
      if (isFirst || joined.length || left.length || changed.length)
        this.#call(watched, [...watched.callbacks], joined, left, changed);
    }

    #call({ people }, callbacks, joined, left = [], changed = []) {
      const change = { joined, left, changed };
      if (people) callbacks.forEach((callback) => safely(callback, null, [...people.values()], change));
    }
  }

  // The methods that send, under the conditions of socket.timeout(ms) and socket.volatile.
  class Sender {
    #transmit; #flags;
    constructor(transmit, flags) { [this.#transmit, this.#flags] = [transmit, flags]; }

    timeout(ms) { return new Sender(this.#transmit, { ...this.#flags, timeout: ms }); }
    get volatile() { return new Sender(this.#transmit, { ...this.#flags, volatile: true }); }
    send(...args) { return this.emit("message", ...args); }
    emit(event, ...args) { return this.#transmit(event, args, this.#flags); }

    emitWithAck(event, ...args) {
      return new Promise((resolve, reject) => {
        const settle = (error, answer) => (error ? reject(error) : resolve(answer));
        this.#transmit(event, [...args, settle], { ...this.#flags, errorFirst: true });
      });
    }
  }

  // A Sender without conditions. Only this class connects.
  class Socket extends Sender {
    #address; #retry;
    #id; #active = false; #engine = null; #former = null; #unwatch;
    #buffer = []; #overflowed = false;
    #acks = new Acks(); #nextAck = 0;
    #patience = new Timer(); #listeners = new Listeners();
    #positions; #channels; #presences;
    #reconnecting = new Listeners();
    io = new Manager(this.#reconnecting); // reconnect_attempt, reconnect, reconnect_failed, missed, refused

    constructor(host, options) {
      super((...message) => this.#transmit(...message), {});
      if (host && typeof host === "object" && !host.href) [host, options] = ["", host];
      this.options = { ...DEFAULTS, ...options };
      this.#address = new Address(host, this.options);
      this.#retry = new Retry(this.options, () => this.#reconnect());
      this.#positions = new Positions(this.options.positions === "session" && this.#address.name);
      this.#presences = new Presences((name, since) => this.#askForPeople(name, since));
      this.#channels = new Channels((...question) => this.#ask(...question), this.#positions,
        (name, past) => this.#replay(name, past), this.#presences, (name) => this.#tell("refused", name));
      this.auth = this.options.auth; // a "connect_error" listener may correct it
    }

    get id() { return this.#id; }
    get connected() { return this.#id !== undefined; }
    get active() { return this.#active; }
    get transport() { return this.#engine?.transportName ?? null; }
    get channels() { return this.#channels.names; }

    // One of these is true. Between two attempts to connect it is is_closed(), while active is true.
    is_connecting() { return Boolean(this.#engine) && !this.connected; }
    is_connected() { return this.connected; }
    is_closing() { return !this.#engine && Boolean(this.#former?.isClosing); }
    is_closed() { return !this.#engine && !this.is_closing(); }

    on(event, fn) { this.#listeners.add(event, fn, false); return this; }
    once(event, fn) { this.#listeners.add(event, fn, true); return this; }
    off(event, fn) { this.#listeners.remove(event, fn); return this; }
    subscribe(channel, options, callback) { return this.#addOrRemove("add", channel, options, callback); }
    unsubscribe(channel, callback) { return this.#addOrRemove("remove", channel, callback); }
    channel(name) { return new Sender((...message) => this.#transmitFor(channelOf(name), ...message), {}); }
    open() { return this.connect(); }
    close() { return this.disconnect(); }

    presence(channel, callback) {
      const name = channelOf(channel);
      return this.#presences.add(name, callback, this.#channels.isAccepted(name));
    }

    #addOrRemove(method, channel, ...args) {
      if (Array.isArray(channel)) this.#channels[`${method}All`](channel, ...args);
      else this.#channels[method](channel, ...args);
      return this;
    }

    connect() {
      if (this.#active) this.#retry.hurry();
      else this.#enlist();
      return this;
    }

    disconnect() {
      if (this.connected) this.#send({ type: DISCONNECT });
      this.#quit("io client disconnect");
      return this;
    }

    #open() {
      const decoder = new Decoder();
      this.#engine = new Engine(this.#address, this.options, {
        opened: () => this.#introduce(this.#engine),
        message: (data) => this.#receive(decoder.add(data)),
        closed: (reason, error) => this.#closed(reason, error),
      });
    }

    #introduce(engine) {
      const answer = (data) => this.#engine === engine && this.#present(data);
      this.#patience.start(this.options.timeout, () => engine.lost("transport error", new Error("timeout")));
      if (typeof this.auth === "function") this.auth(answer);
      else answer(this.auth);
    }

    // Without positions if a packet cannot have them: the page is then told what it may have missed.
    #present(data) {
      try {
        this.#send({ type: CONNECT, data: this.#withPositions(data) });
      } catch (error) {
        if (!(error instanceof RangeError && this.#positions.dropAll())) throw error;
        this.#send({ type: CONNECT, data: this.#withPositions(data) });
      }
    }

    #withPositions(data) {
      if (!this.options.positions) return data;
      return { ...data, _positions: this.#positions.request((topic) => this.#channels.isWanted(topic)) };
    }

    #welcomed({ sid, positions = {}, missed = [], limit }) {
      if (!sid) throw new Error("no session id: this server speaks an older Socket.IO");
      const { attempts } = this.#retry;
      this.#id = sid;
      this.#patience.stop();
      this.#retry.reset();
      const dropped = Object.keys(positions).filter((topic) => this.#positions.wasDropped(topic));
      this.#positions.welcome(sid, positions, limit);
      this.#channels.online();
      this.#flush();
      this.#fire("connect");
      if (attempts) this.#tell("reconnect", attempts);
      [...missed, ...dropped].forEach((topic) => this.#tellMissed(topic));
    }

    // Has the listeners called with the messages that the socket has missed on a channel.
    #replay(name, { position, recovered, messages = [], ids = {} }) {
      if (this.options.positions && position !== undefined) this.#positions.set(CHANNEL + name, position);
      messages.forEach((event, number) => {
        if (!(number in ids) || this.#positions.isFirst(ids[number])) this.#fireEvent(...event);
      });
      if (this.#positions.wasDropped(CHANNEL + name) || recovered === false) this.#tellMissed(CHANNEL + name);
    }

    #tellMissed(topic) {
      this.#tell("missed", topic.startsWith(CHANNEL) ? topic.slice(CHANNEL.length) : null);
    }

    #refused({ message, data }) {
      this.#quit();
      if (!this.#listeners.has("connect_error"))
        console.warn(`socket.io: the server has refused the connection: ${message}`);
      this.#fire("connect_error", Object.assign(new Error(message), { data }));
    }

    #closed(reason, error) {
      const last = !this.options.reconnection || this.#retry.exhausted;
      if (last) this.#retire();
      const { connected } = this;
      this.#forget(reason, error);
      if (!connected && this.#address.isDefault) explain(error);
      if (!connected) this.#fire("connect_error", error);
      if (last && this.options.reconnection && !this.#active) this.#tell("reconnect_failed"); // a listener may connect
      if (this.#active && !this.#engine) this.#retry.schedule();
    }

    #reconnect() {
      this.#tell("reconnect_attempt", this.#retry.attempts);
      if (this.#active && !this.#engine) this.#open();
    }

    #forget(reason, error) {
      const { connected } = this;
      [this.#former, this.#engine, this.#id] = [this.#engine, null, undefined];
      this.#patience.stop();
      if (!connected) return;
      this.#channels.offline();
      const kept = new Set(this.#buffer.map(({ id }) => id));
      this.#acks.failAll(new Error("socket has been disconnected"), kept);
      this.#fire("disconnect", reason, error);
    }

    // An active socket opens another session when one ends.
    #enlist() { this.#active = true; this.#positions.open(); this.#watchPage(); this.#open(); }
    #retire() { this.#active = false; this.#positions.close(); this.#retry.reset(); this.#unwatch?.abort(); }
    #quit(reason) { this.#retire(); this.#hangUp(reason); }
    #hangUp(reason, leaving) { this.#engine?.close(leaving); this.#forget(reason); }

    #watchPage() {
      const check = () => this.#engine?.checkHeartbeat();
      const handlers = {
        visibilitychange: () => { check(); this.#positions.save(); }, // the page may end unheard
        online: () => { check(); this.#retry.hurry(); },
        offline: () => this.#engine?.lost("transport close", new Error("the network is gone")),
        pagehide: () => { this.#positions.save(); this.#hangUp("transport close", true); },
        pageshow: ({ persisted }) => { if (persisted && !this.#engine) this.#retry.now(); },
      };
      this.#unwatch = new AbortController();
      for (const [event, handler] of Object.entries(handlers)) addEventListener(event, handler, this.#unwatch);
    }

    #fire(event, ...args) { this.#listeners.fire(this, event, ...args); }
    #tell(event, ...args) { this.#reconnecting.fire(this.io, event, ...args); }
    #encode(packet) { return encode({ namespace: this.#address.namespace, ...packet }); }
    #send(packet) { this.#engine.send(this.#encode(packet)); }
    #askForPeople(name, since) {
      const done = (lost, answer) => lost || conclude(`presence of ${name}`, [], answer);
      this.#ask("_presence", name, ...(since ? [since] : []), done);
    }

    // A request is for this session only.
    #ask(event, ...args) { this.#transmit(event, args, { errorFirst: true, timeout: Infinity, volatile: true }); }

    #receive(packet) {
      if (packet?.namespace !== this.#address.namespace) return;
      const { type, id, data } = packet;
      if (type === CONNECT) this.#welcomed(data);
      else if (type === CONNECT_ERROR) this.#refused(data);
      else if (type === EVENT) this.#dispatch(id, ...data);
      else if (type === ACK) this.#acks.settle(id, null, ...data);
      else this.#quit("io server disconnect");
    }

    #dispatch(id, event, ...args) {
      if (this.options.positions && !this.#positions.take(args)) return;
      if (id !== undefined) args.push(this.#answerer(id, this.#engine));
      if (event === "_presence") this.#presences.take(...args);
      else if (this.options.positions && event === "_positions") this.#moved(...args);
      else if (this.options.positions && event === "_missed") this.#tellMissed(...args);
      else this.#fireEvent(event, ...args);
    }

    #moved(positions) {
      this.#positions.moved(positions);
      for (const [topic, position] of Object.entries(positions)) {
        if (position === null) this.#channels.taken(topic);
        else if (this.#positions.wasDropped(topic)) this.#tellMissed(topic);
      }
    }

    #fireEvent(event, ...args) { if (!RESERVED.includes(event)) this.#fire(event, ...args); }

    // Acknowledges once, and only to the session of the request.
    #answerer(id, engine) {
      return (...data) => {
        if (this.#engine === engine) this.#send({ type: ACK, id, data });
        engine = undefined;
      };
    }

    #transmitFor(channel, event, args, flags) {
      check(event);
      return this.#transmit("channel", [channel, event, ...args], flags);
    }

    // Encodes at once, so that a waiting message does not change, and mistakes throw here.
    #transmit(event, args, { timeout = this.options.ackTimeout, errorFirst = timeout < Infinity, volatile }) {
      check(event);
      const callback = typeof args[args.length - 1] === "function" ? args.pop() : null;
      const id = callback ? this.#nextAck++ : undefined;
      const packets = this.#encode({ type: EVENT, id, data: [event, ...args] });
      const isOpen = this.connected && !this.#engine.isClosing; // a WebSocket drops what comes while it closes
      if (isOpen) this.#engine.send(packets);
      const ack = errorFirst ? callback : (error, ...answer) => error || callback.apply(this, answer);
      if (callback) this.#acks.add(id, ack, timeout);
      if (!isOpen) this.#keep({ id, packets }, volatile);
      return this;
    }

    #keep(message, volatile) {
      if (volatile) return this.#acks.settle(message.id, new Error("not connected"));
      this.#buffer.push(message);
      if (this.#buffer.length <= this.options.bufferSize) return;
      if (!this.#overflowed) console.warn("socket.io: too many messages while offline, the oldest are dropped");
      this.#overflowed = true;
      this.#acks.settle(this.#buffer.shift().id, new Error("dropped: too many messages while offline"));
    }

    #flush() {
      this.#overflowed = false;
      for (const { id, packets } of this.#buffer.splice(0)) {
        const expired = id !== undefined && !this.#acks.has(id);
        const error = expired ? null : safely(() => this.#engine.send(packets));
        if (error) this.#acks.settle(id, error);
      }
    }
  }

  function io(host, options) {
    const socket = new Socket(host, options);
    return socket.options.autoConnect ? socket.connect() : socket;
  }

  window.io = Object.assign(io, { Socket, connect: io, protocol: 5 });

  // live.js is deferred, so it has run by then.
  document.addEventListener("DOMContentLoaded", () => {
    if (io.live || !document.querySelector("[data-socketio-live]")) return;
    console.warn("socket.io: {% socketio_live %} has no effect without live.js: write {% socketio live=True %}");
  });
})();
