// The live page of the sockets: asks for the numbers every two seconds while it is seen.
(() => {
  "use strict";
  const INTERVAL = 2000, POINTS = 60;
  const root = document.getElementById("socketio-dashboard");
  const get = (id) => document.getElementById(`sio-${id}`);
  const socket = io(root.dataset.namespace, { ackTimeout: 10000 });
  const series = { sockets: [], received: [], sent: [], slow: [] };
  let before = null, target = null, shown = "";

  const say = (element, text, isBad = false) => {
    element.textContent = text;
    element.classList.toggle("sio-bad", isBad);
  };

  const ask = async (...args) => {
    const answer = await socket.emitWithAck(...args);
    if (answer && answer.error) throw new Error(answer.error);
    return answer;
  };

  const cell = (value) => {
    const td = document.createElement("td");
    if (value instanceof Node) td.append(value);
    else td.textContent = typeof value === "number" ? value.toLocaleString() : value;
    if (typeof value === "number") td.className = "sio-number";
    return td;
  };

  const button = (text, action, className = "button") => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = className;
    made.textContent = text;
    made.addEventListener("click", action);
    return made;
  };

  const fill = (table, rows) => {
    const lines = rows.map((row) => {
      const tr = document.createElement("tr");
      tr.append(...row.map(cell));
      return tr;
    });
    get(table).tBodies[0].replaceChildren(...lines);
  };

  const sum = (processes, value) => processes.reduce((total, one) => total + value(one), 0);
  const total = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

  const count = (number) => `${number} process${number === 1 ? "" : "es"}`;

  // Charts

  const plot = (name, value) => {
    const points = series[name];
    get(name).textContent = value === null ? "–" : value.toLocaleString(undefined, { maximumFractionDigits: 1 });
    points.push(value || 0);
    if (points.length > POINTS) points.shift();
    const highest = Math.max(1, ...points);
    const place = (one, number) => `${(number * 120) / (POINTS - 1)},${29 - (one * 28) / highest}`;
    get(`chart-${name}`).querySelector("polyline").setAttribute("points", points.map(place).join(" "));
  };

  const rate = (processes, key, at) => {
    if (before === null || !processes.some((one) => one.measured)) return null;
    let difference = 0;
    for (const one of processes) {
      const earlier = before.numbers.get(one.process);
      // A process that begins anew may get the name of an earlier one, in a container for example.
      const isSame = earlier && earlier.started === one.started;
      if (isSame && one.measured && earlier.measured) {
        difference += one.measured[key] - earlier.measured[key];
      }
    }
    return Math.max(0, (difference * 1000) / (at - before.at));
  };

  const show = ({ processes, silent }) => {
    const at = performance.now();
    plot("sockets", sum(processes, (one) => total(one.sockets)));
    plot("received", rate(processes, "messages_received", at));
    plot("sent", rate(processes, "messages_sent", at));
    plot("slow", sum(processes, (one) => one.slow_clients));
    get("hint").hidden = processes.some((one) => one.measured);
    before = { at, numbers: new Map(processes.map((one) => [one.process, one])) };
    fill("processes", processes.map((one) => [
      one.process, total(one.connections), total(one.sockets), one.channels, one.unsent_bytes,
      one.handlers_busy, one.handlers_waiting,
      one.relay.alive === false ? "deaf" : one.relay.lag === null ? "–" : `${(one.relay.lag * 1000).toFixed(1)} ms`,
      one.memory === null ? "–" : `${Math.round(one.memory / 1e6)} MB`,
    ]));
    showChannels(processes);
    say(get("status"), `${count(processes.length)}${silent ? `, ${silent} do not answer` : ""}`, silent > 0);
  };

  const showChannels = (processes) => {
    const sizes = new Map();
    for (const [namespace, name, size] of processes.flatMap((one) => one.largest)) {
      const key = JSON.stringify([namespace, name]);
      sizes.set(key, (sizes.get(key) || 0) + size);
    }
    const largest = [...sizes].sort((a, b) => b[1] - a[1]).slice(0, 20);
    // The same channels keep their buttons, which may have the focus or be pressed at this moment.
    const keys = largest.map(([key]) => key).join();
    if (keys === shown) largest.forEach(([, size], row) => get("channels").tBodies[0].rows[row].lastChild.replaceWith(cell(size)));
    else fill("channels", largest.map(([key, size]) => [channel(...JSON.parse(key)), JSON.parse(key)[0], size]));
    shown = keys;
  };

  const channel = (namespace, name) =>
    button(name, () => look({ kind: "channel", value: name, namespace }), "sio-channel");

  const refresh = async () => {
    if (document.hidden || !socket.connected) return;
    try {
      show(await ask("stats"));
    } catch (error) {
      say(get("status"), error.message, true);
    }
  };

  // Finding, sending, disconnecting

  const look = async (wanted) => {
    try {
      const { name, sockets, people } = await ask("find", wanted);
      target = wanted;
      get("found").hidden = false;
      get("name").textContent = name;
      const names = people.map((one) => (one.user || one.id) + (one.away ? " (away)" : ""));
      get("people").textContent = names.length ? `Present: ${names.join(", ")}` : "";
      fill("members", sockets.map((one) => [
        one.id, one.user || "–", one.transport, one.process, one.channels.join(" "), ending(one),
      ]));
      say(get("message"), sockets.length ? "" : "No sockets.");
    } catch (error) {
      target = null;
      get("found").hidden = true;
      say(get("message"), error.message, true);
    }
  };

  const ending = (one) => {
    if (!("mayDisconnect" in root.dataset)) return "";
    const whom = { kind: "session_id", value: one.id, namespace: one.namespace };
    return button("Disconnect", () => end(whom, `socket ${one.id}`));
  };

  const doing = async (...args) => {
    try {
      const { done } = await ask(...args);
      if (target) await look(target);
      say(get("message"), done);
    } catch (error) {
      say(get("message"), error.message, true);
    }
  };

  const end = (whom, name) => {
    if (window.confirm(`Disconnect ${name}?`)) doing("disconnect sockets", whom);
  };

  const on = (id, type, action) => get(id) && get(id).addEventListener(type, action);

  on("find", "submit", (event) => {
    event.preventDefault();
    look(Object.fromEntries(new FormData(event.target)));
  });
  on("send", "submit", (event) => {
    event.preventDefault();
    const { event: name, text } = Object.fromEntries(new FormData(event.target));
    doing("send", target, name, text);
  });
  on("disconnect", "click", () => end(target, `all sockets of ${get("name").textContent}`));

  socket.on("connect", refresh);
  socket.on("connect_error", (error) => say(get("status"), error.message || "No connection", true));
  socket.on("disconnect", () => say(get("status"), "Not connected", true));
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, INTERVAL);
})();
