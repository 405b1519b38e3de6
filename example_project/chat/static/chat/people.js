// Who is in the room, and who is typing.
import { addLine, paint } from "./log.js";

const list = document.getElementById("people");
const line = document.getElementById("typing");
const typing = new Map();
let people = null;

/** Draw the list, and tell in the log what has changed in it. */
export function showPeople(names, me) {
  const others = (some) => some.filter((name) => name !== me);
  if (people) {
    for (const name of others(people)) if (!names.includes(name)) addLine(`${name} left`, "quiet");
    for (const name of others(names)) if (!people.includes(name)) addLine(`${name} joined`, "quiet");
  }
  list.replaceChildren(...names.map((name) => person(name, name === me)));
  people = names;
}

/** The connection is lost: who comes and goes meanwhile is seen in the list, and not told. */
export function lookAway() {
  people = null;
  [...typing.keys()].forEach(stopTyping);
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
