// A room: entering it, saying something, hearing what the others say.
import { socket } from "./connection.js";
import * as log from "./log.js";
import { lookAway, showPeople, showTyping, stopTyping } from "./people.js";

const $ = (id) => document.getElementById(id);
const joinForm = $("join-form");
const nameInput = $("join-name");
const composer = $("composer");
const input = $("message-input");

const token = tabToken();
const outbox = []; // our messages, until the server has confirmed them
let name = sessionStorage.getItem("name");
let joined = false;
let typingTold = 0;

// ------------------------------------------------------------------ hearing

socket.on("room", ({ people, messages }) => {
  messages.filter((message) => !log.knows(message)).forEach(receive);
  $("messages").ariaBusy = "false";
  showPeople(people, name);
  if (name) join();
});
socket.on("people", (people) => showPeople(people, name));
socket.on("typing", showTyping);
socket.on("message", (message) => {
  if (message.system) log.addLine(message.system, "staff");
  else receive(message);
});
socket.on("disconnect", () => {
  if (joined) log.addLine("Connection lost", "quiet");
  joined = false;
  lookAway();
});
socket.subscribe($("room").dataset.channel, (error) => error && log.addLine(error.message, "staff"));

function receive(message) {
  stopTyping(message.author);
  const ours = outbox.find(({ sent, text }) => sent && message.author === name && message.text === text);
  if (ours) settle(ours, message);
  else log.addMessage(message, message.author === name);
}

// ------------------------------------------------------------------ entering

/** Also repeated while we are there: the server forgets who is not heard of any more. */
function join() {
  socket.emit("join", name, token, (answer) => (answer.error ? refuse(answer.error) : enter(answer)));
}

new Worker(new URL("beat.js", import.meta.url)).onmessage = () => joined && join();

function enter(answer) {
  name = answer.name;
  showPeople(answer.people, name);
  if (joined) return;
  joined = true;
  if (composer.hidden) welcome();
  log.addLine(`You are here as ${name}`, "quiet");
  outbox.forEach(deliver);
}

function welcome() {
  sessionStorage.setItem("name", name);
  log.markOwn(name);
  showForms();
  input.focus();
}

function refuse(error) {
  nameInput.value ||= name;
  name = null;
  joined = false;
  showForms();
  showError($("join-error"), nameInput, error);
  nameInput.select();
}

/** Whoever has a name may write, also before the connection is (back) there. */
function showForms() {
  joinForm.hidden = Boolean(name);
  composer.hidden = $("leave").hidden = !name;
  showError($("join-error"), nameInput, "");
}

joinForm.addEventListener("submit", (event) => {
  event.preventDefault();
  name = nameInput.value;
  if (socket.connected) join(); // otherwise as soon as the room is open again
});

$("leave").addEventListener("click", () => {
  sessionStorage.removeItem("name");
  location.assign($("leave").dataset.rooms);
});

// ------------------------------------------------------------------ saying

function say(text) {
  const item = { text, element: log.addMessage({ author: name, text }, true), sent: false };
  outbox.push(item);
  if (joined) deliver(item);
}

function deliver(item) {
  item.sent = true;
  socket.send(item.text, (answer) => (answer.error ? reject(item, answer.error) : settle(item, answer)));
}

function settle(item, message) {
  outbox.splice(outbox.indexOf(item), 1);
  log.confirm(item.element, message);
}

/** Give the text back, to be corrected. */
function reject(item, error) {
  outbox.splice(outbox.indexOf(item), 1);
  item.element.remove();
  input.value ||= item.text;
  showError($("composer-error"), input, error);
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (text) say(text);
  input.value = "";
  typingTold = 0;
  input.focus();
});

input.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

input.addEventListener("input", () => {
  showError($("composer-error"), input, "");
  if (!joined || Date.now() - typingTold < 2000) return;
  typingTold = Date.now();
  socket.emit("typing");
});

// ------------------------------------------------------------------ helpers

function showError(element, field, text) {
  element.textContent = text;
  field.setAttribute("aria-invalid", Boolean(text));
}

/**
 * A secret which proves that we are the same tab when the connection or the page comes back.
 * Between two pages it is in the storage, and only then: the storage is copied into a duplicate
 * of the tab, which must be somebody else.
 */
function tabToken() {
  const token = sessionStorage.getItem("token") ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  window.addEventListener("pageshow", () => sessionStorage.removeItem("token"));
  window.addEventListener("pagehide", () => sessionStorage.setItem("token", token));
  return token;
}

showForms();
if (name) input.focus();
else nameInput.focus();
