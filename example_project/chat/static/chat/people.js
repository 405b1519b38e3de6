// Who is in the room, and who is typing.
import { addLine, paint } from "./log.js";

const list = document.getElementById("people");
const line = document.getElementById("typing");
const typing = new Map();
let isDrawn = false;
let isTelling = true;

/** Draw the list, and tell in the log what has changed in it. */
export function showPeople(people, { joined, left }, me) {
  const names = people.map((person) => person.info.name).sort((a, b) => a.localeCompare(b));
  list.replaceChildren(...names.map((name) => person(name, name === me)));
  if (isDrawn && isTelling) {
    left.forEach((person) => addLine(`${person.info.name} left`, "quiet"));
    const others = joined.filter((person) => person.info.name !== me); // we may hear of ourselves
    others.forEach((person) => addLine(`${person.info.name} joined`, "quiet"));
  }
  isDrawn = true;
}

/** The connection is lost: who comes and goes meanwhile is seen in the list, and not told. */
export function lookAway() {
  isTelling = false;
  [...typing.keys()].forEach(stopTyping);
}

/** The connection is back. After a restart of the server, the others come back as well. */
export function lookBack() {
  setTimeout(() => { isTelling = true; }, 5_000);
}

function person(name, own) {
  const item = document.createElement("li");
  item.textContent = name;
  item.dataset.initial = [...name][0].toUpperCase();
  item.classList.toggle("own", own);
  paint(item, name);
  return item;
}

export function showTyping(name) {
  clearTimeout(typing.get(name));
  typing.set(name, setTimeout(stopTyping, 4000, name));
  drawTyping();
}

export function stopTyping(name) {
  clearTimeout(typing.get(name));
  typing.delete(name);
  drawTyping();
}

function drawTyping() {
  const names = [...typing.keys()].join(", ");
  line.textContent = names && `${names} ${typing.size === 1 ? "is" : "are"} typing…`;
}
