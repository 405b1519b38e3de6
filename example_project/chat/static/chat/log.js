// The log of a room: messages, and lines between them. What people wrote is only ever textContent.
const log = document.getElementById("messages");
const template = document.getElementById("message-template").content.firstElementChild;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const shown = new Set();
let following = true; // whether the reader is at the end, and has not scrolled away from it

export const knows = (message) => shown.has(message.id);

/** A message without an id has not arrived yet: it waits at the end of the log. */
export function addMessage(message, own) {
  const item = template.cloneNode(true);
  item.classList.toggle("own", own);
  item.classList.toggle("waiting", !message.id);
  fill(item, message);
  place(item);
  return item;
}

/** Our own message has arrived. */
export function confirm(item, message) {
  item.classList.remove("waiting");
  fill(item, message);
}

export function addLine(text, kind) {
  const line = document.createElement("li");
  line.classList.add("system", kind);
  line.textContent = text;
  place(line);
}

/** Everybody has a colour, made out of the name. */
export function paint(element, name) {
  const sum = [...name].reduce((total, letter) => (total * 31 + letter.codePointAt(0)) % 360, 0);
  element.style.setProperty("--hue", (sum * 137) % 360);
}

function fill(item, { id, author, text, time }) {
  item.dataset.author = author;
  item.querySelector(".message-author").textContent = author;
  write(item.querySelector(".message-text"), text);
  paint(item, author);
  if (id) shown.add(id);
  if (time) stamp(item.querySelector("time"), new Date(time));
}

/** Addresses become links; all else stays text. */
function write(element, text) {
  element.textContent = "";
  text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,:;!?)])/).forEach((part, at) => element.append(at % 2 ? link(part) : part));
}

function link(address) {
  const a = document.createElement("a");
  a.href = a.textContent = address;
  a.rel = "noreferrer";
  return a;
}

function stamp(element, date) {
  const today = date.toDateString() === new Date().toDateString();
  element.dateTime = date.toISOString();
  element.textContent = (today ? clock : calendar).format(date);
}

/** What waits stays last. */
function place(item) {
  const waits = item.matches(".waiting");
  const { author } = item.dataset;
  log.insertBefore(item, waits ? null : log.querySelector(".waiting"));
  item.classList.toggle("follows", Boolean(author) && item.previousElementSibling?.dataset.author === author);
  following ||= waits;
  follow();
}

function follow() {
  if (following) log.scrollTop = log.scrollHeight;
}

log.addEventListener("scroll", () => {
  following = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
});
new ResizeObserver(follow).observe(log);
