/*
 * Puts fragments of emit_template into the page: {% socketio live=True %} loads it after socketio.js, and
 * <ul {% socketio_live "room-1" %} id="log"> is an element on a channel. docs/live-pages.rst describes io.live
 * and the events socketio:before-fragment, socketio:fragment and socketio:missed.
 */
(() => {
  "use strict";
  if (window.io?.live) return; // the page was replaced as a whole, with its scripts
  if (!window.io?.Socket?.prototype.subscribe) throw new Error("live.js needs socketio.js: {% socketio live=True %}");

  const CONTAINER = "[data-socketio-live]", CHOICE = /^(radio|checkbox)$/;
  const FIELD = "input:not([type=hidden], [type=submit], [type=button], [type=reset], [type=image]), textarea, select";
  const DELAY = 100, SPREAD = 400, RETRY = 5000; // ms; pages do not load their content all at once
  const { nonce, dataset: { namespace } } = document.currentScript;
  const socket = window.io({ namespace: namespace || "/" });

  const isElement = (node) => node.nodeType === Node.ELEMENT_NODE;
  const containers = () => [...document.querySelectorAll(CONTAINER)];
  const onChannel = (channel) => containers().filter((one) => one.dataset.socketioLive === channel);

  // With a channel, a target is within the elements on it, or outside of all that are on channels: the same
  // object may be on the page for other channels, which are caught up with before or after this one.
  function placesOf({ target, channel }) {
    const own = channel === undefined ? [] : onChannel(channel);
    if (target === undefined) return own;
    const isWithin = (one) => own.some((container) => container.contains(one));
    return [...document.querySelectorAll(target)]
      .filter((one) => channel === undefined || !one.closest(CONTAINER) || isWithin(one));
  }

  // Returns false if a listener has prevented what the event tells of.
  const announce = (element, name, detail) =>
    (element.isConnected ? element : document)
      .dispatchEvent(new CustomEvent(`socketio:${name}`, { bubbles: true, cancelable: true, detail }));

  // While an element is being loaded, fragments for what is in it wait: they may be newer than its content.
  function receive(fragment, loaded = null) {
    const { swap, target, channel, html } = fragment;
    const elements = placesOf(fragment);
    if (!elements.length) console.debug(`socketio: nothing to ${swap}: no element ${target ?? `on the channel ${channel}`}`);
    if (swap === "refresh") return elements.forEach((one) => refresh(one));
    if (!loaded) loads.forEach((waiting) => waiting.push(fragment));
    const isWaiting = (element) => [...loads.keys()].some((one) => one.contains(element));
    elements.filter((one) => (loaded ? loaded.contains(one) : !isWaiting(one))).forEach((one) => change(one, swap, html));
  }

  function change(target, swap, html) {
    if (!announce(target, "before-fragment", { swap, html })) return;
    const content = parse(html ?? "");
    if (target.closest("[data-socketio-scripts]")) content.querySelectorAll("script").forEach(revive);
    const nodes = [...content.childNodes];
    if (swap === "remove") target.remove();
    else if (swap === "replace") substitute([target], nodes, () => target.before(content));
    else if (swap === "update") substitute([...target.childNodes], nodes, () => target.append(content));
    else insert(target, swap, content);
    if (window.htmx) nodes.filter(isElement).forEach((node) => window.htmx.process(node));
    announce(target, "fragment", { swap, html });
  }

  // Scripts that a parser has made from text do not run, nor do their copies.
  function parse(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return document.importNode(template.content, true);
  }

  function revive(script) {
    const running = document.createElement("script");
    for (const { name, value } of script.attributes) running.setAttribute(name, value);
    Object.assign(running, { nonce, textContent: script.textContent });
    script.replaceWith(running);
  }

  // Elements that are there already, by their ids, are replaced where they are: a message may come twice.
  function insert(target, swap, content) {
    const siblings = swap === "append" || swap === "prepend" ? target.children : target.parentNode.children;
    for (const element of [...content.children]) {
      const twin = element.id && [...siblings].find((one) => one.id === element.id);
      if (twin) substitute([twin], [element], () => twin.before(element));
    }
    if (content.children.length || content.textContent.trim()) target[swap](content);
  }

  // Puts nodes into the place of others. Fields that were changed by hand stay what they are, with the
  // same id or name; focus, selection and scroll positions stay where they are.
  function substitute(old, nodes, put) {
    const inOld = (node) => old.some((one) => one.contains(node));
    const find = (selector) => among(nodes, selector)[0];
    const focused = inOld(document.activeElement) ? document.activeElement : null;
    const selected = focused && selectionOf(focused);
    const scrolled = among(old, "[id]").filter((one) => one.scrollTop || one.scrollLeft)
      .map(({ id, scrollTop, scrollLeft }) => [`#${CSS.escape(id)}`, { scrollTop, scrollLeft }]);
    const changed = among(old, `${FIELD}, [contenteditable]`).filter(isChanged).map((one) => [one, one.checked]);
    put();
    const kept = changed.map(([one, checked]) => take(one, find(pathOf(one, inOld)), checked));
    const heir = focused && (kept.some((one) => one?.contains(focused)) ? focused : find(pathOf(focused, inOld)));
    old.filter((one) => !kept.includes(one)).forEach((one) => one.remove());
    scrolled.forEach(([selector, position]) => Object.assign(find(selector) ?? {}, position));
    if (heir) selected(heir);
  }

  const among = (nodes, selector) => nodes.filter(isElement).flatMap((one) =>
    [one, ...one.querySelectorAll(selector)].filter((each) => each.matches(selector)));

  // Moves a field to its counterpart; of choices, it keeps the state only: one that is checked unchecks others.
  function take(field, counterpart, checked) {
    if (!counterpart) return null;
    if (CHOICE.test(field.type)) return void Object.assign(counterpart, { checked });
    if (counterpart.parentNode.moveBefore) counterpart.parentNode.moveBefore(field, counterpart);
    else counterpart.before(field);
    counterpart.remove();
    return field;
  }

  // A selector of an element with the same id or, within the same element with an id, the same name.
  function pathOf(element, inOld) {
    const { localName, id, name, type, value } = element;
    if (id) return `${localName}#${CSS.escape(id)}`;
    if (!name) return ":not(*)";
    const owner = element.parentElement.closest("[id]");
    const choice = CHOICE.test(type) ? `[value="${CSS.escape(value)}"]` : "";
    return `${inOld(owner) ? `#${CSS.escape(owner.id)} ` : ""}${localName}[name="${CSS.escape(name)}"]${choice}`;
  }

  function isChanged(field) {
    if (field.type === undefined) return field.isContentEditable && field.contains(document.activeElement);
    if (CHOICE.test(field.type)) return field.checked !== field.defaultChecked;
    if (field.localName !== "select") return field.matches(FIELD) && field.value !== field.defaultValue;
    const isFirst = !field.multiple && !field.querySelector("option[selected]");
    return [...field.options].some((one, n) => one.selected !== (isFirst ? n === 0 : one.defaultSelected));
  }

  // Returns a function that restores the selection, in the same element or in its heir.
  function selectionOf(element) {
    const { selectionStart, selectionEnd, selectionDirection, scrollTop } = element;
    const { anchorNode, anchorOffset, focusNode, focusOffset } = getSelection();
    return (heir) => {
      heir.focus({ preventScroll: true });
      if (typeof selectionStart === "number") heir.setSelectionRange?.(selectionStart, selectionEnd, selectionDirection);
      else if (heir.contains(anchorNode)) getSelection().setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
      heir.scrollTop = scrollTop;
    };
  }

  const planned = new Set(); // elements whose content is to be loaded
  const loads = new Map(); // elements whose content is being loaded, and fragments that wait for it

  // Loads the content of an element from its URL, or from the page. Several calls at a time load it once.
  function refresh(element, delay = DELAY + SPREAD * Math.random()) {
    if (!planned.has(element)) setTimeout(() => start(element), delay);
    planned.add(element);
  }

  function start(element) {
    if (document.hidden) return addEventListener("visibilitychange", () => start(element), { once: true });
    planned.delete(element);
    return loads.has(element) ? refresh(element) : element.isConnected && load(element);
  }

  async function load(element) {
    loads.set(element, []);
    const html = await download(element).catch((error) => {
      const name = element.id ? `#${element.id}` : `an element on the channel ${element.dataset.socketioLive}`;
      console.warn(`socketio: the content of ${name} was not loaded: ${error.message}`);
      if (!error.isFinal) refresh(element, RETRY * (1 + Math.random()));
    });
    const waiting = loads.get(element);
    loads.delete(element);
    if (html !== undefined && element.isConnected) change(element, "update", html);
    follow();
    waiting.forEach((fragment) => receive(fragment, element));
  }

  // Returns the element of a loaded page that has the content of an element, and what to say if there is none. Of those
  // without an id, it is the same one of as many; of another number, none, but what has a URL of its own may be the only one.
  function twinOf(element, page) {
    const { id, dataset: { socketioUrl: url, socketioLive: channel } } = element;
    if (id) return [page.getElementById(id), `no element #${id}`];
    const onIt = (root) => [...root.querySelectorAll(CONTAINER)].filter((one) => one.dataset.socketioLive === channel);
    const [own, loaded] = [document, page].map((root) => onIt(root).filter((one) => !one.id && one.dataset.socketioUrl === url));
    if (own.length === loaded.length) return [loaded[own.indexOf(element)], "no such element"];
    return [url && onIt(page)[0], `${loaded.length} instead of ${own.length} elements without an id`];
  }

  async function download(element) {
    const { socketioUrl } = element.dataset;
    const response = await fetch(socketioUrl ?? location.href, { headers: headers(), cache: "no-cache" });
    const text = await response.text();
    if (response.status >= 500) throw new Error(`HTTP ${response.status}`);
    const [twin, lack] = twinOf(element, new DOMParser().parseFromString(text, "text/html"));
    if (response.ok && twin?.dataset.socketioToken) element.dataset.socketioToken = twin.dataset.socketioToken;
    if (response.ok && !response.redirected && (twin || socketioUrl !== undefined)) return twin?.innerHTML ?? text;
    const reason = response.redirected ? `redirected to ${response.url}` : `HTTP ${response.status}`;
    throw Object.assign(new Error(twin || socketioUrl ? reason : `${reason}, ${lack}`), { isFinal: true });
  }

  const headers = () => (socket.connected ? { "X-Socket-ID": socket.id } : {});
  let subscribed = new Map(); // tokens by channels; undefined for a channel without one
  function follow() {
    const wanted = new Map();
    containers().forEach(({ dataset: { socketioLive: name, socketioToken: token } }) => wanted.set(name, token ?? wanted.get(name)));
    for (const [channel, token] of wanted)
      if (!subscribed.has(channel) || (token !== subscribed.get(channel) && !socket.channels.includes(channel)))
        socket.subscribe(token ?? channel);
    for (const channel of subscribed.keys()) if (!wanted.has(channel)) socket.unsubscribe(channel);
    subscribed = wanted;
    for (const one of containers()) if (one.dataset.socketioLazy && !(one.dataset.socketioLazy = "")) refresh(one, 0);
  }

  function observe(changes) {
    const nodes = changes.flatMap(({ addedNodes, removedNodes }) => [...addedNodes, ...removedNodes]);
    if (among(nodes, CONTAINER).length) follow();
  }

  socket.on("_fragment", receive);
  socket.io.on("missed", (channel) => {
    const told = (channel === null ? [document] : onChannel(channel)).filter((one) => announce(one, "missed", { channel }));
    told.flatMap((one) => (one === document ? containers() : one)).forEach((one) => refresh(one));
  });
  // Channels whose token was refused: the page of today may have a better one. Once in each connection.
  const renewed = new Set();
  socket.on("connect", () => renewed.clear());
  socket.io.on("refused", (channel) => {
    if (renewed.has(channel)) return;
    renewed.add(channel);
    onChannel(channel).filter((one) => one.dataset.socketioToken).forEach((one) => refresh(one));
  });
  document.addEventListener("htmx:configRequest", ({ detail }) => Object.assign(detail.headers, headers()));
  new MutationObserver(observe).observe(document.documentElement, { childList: true, subtree: true });
  window.io.live = { socket, refresh, headers };
  follow();
})();
