// What the tests' own code in a page uses. Loaded before anything else of the page.
(() => {
  const EVENTS = ["connect", "connect_error", "disconnect", "message"];
  const RECONNECTING = ["reconnect_attempt", "reconnect", "reconnect_failed"];
  const realSetTimeout = setTimeout.bind(window); // tests may install a clock of their own
  const realNow = performance.now.bind(performance);

  // What has happened to the sockets of the page: [event, ...arguments].
  window.seen = [];
  window.names = () => seen.map(([name]) => name);
  window.count = (name) => names().filter((one) => one === name).length;
  window.bytes = (buffer) => [...new Uint8Array(buffer)];
  window.noted = (name) => (...args) => seen.push([name, ...args.map(plain)]);

  // Errors do not travel out of the page.
  const plain = (value) => (value instanceof Error ? value.message : value);

  // A socket that reconnects quickly and notes what happens to it; also in window.socket.
  const QUICKLY = { reconnectionDelay: 50, reconnectionDelayMax: 100 };
  window.make = (options, host) => {
    watch(new io.Socket(host, { ...QUICKLY, ...options }));
    for (const name of RECONNECTING) socket.io.on(name, noted(name));
    return socket;
  };
  window.official = (options) => watch(io({ ...QUICKLY, ...options }));
  const watch = (socket) => {
    for (const name of EVENTS) socket.on(name, noted(name));
    return (window.socket = socket);
  };

  window.until = async (condition, ms = 5000) => {
    const end = realNow() + ms;
    while (!condition()) {
      if (realNow() > end) throw new Error(`not until ${condition}: ${JSON.stringify(seen)}`);
      await new Promise((resolve) => realSetTimeout(resolve, 5));
    }
    return condition();
  };

  window.online = async (options, host) => {
    make(options, host).connect();
    await until(() => socket.connected);
    return socket;
  };
})();
