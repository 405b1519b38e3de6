// A room: who is there, saying something, hearing what the others say.
import { socket } from "./connection.js";
import * as log from "./log.js";
import { lookAway, lookBack, showPeople, showTyping, stopTyping } from "./people.js";

const $ = (id) => document.getElementById(id);
const composer = $("composer");
const input = $("message-input");

const { channel, name } = $("room").dataset;
const outbox = []; // our messages, until the server has confirmed them
let joined = false;
let typingTold = 0;

// ------------------------------------------------------------------ hearing

socket.on("room", (messages) => {
  messages.filter((message) => !log.knows(message)).forEach(receive);
  $("messages").ariaBusy = "false";
  enter();
});
socket.on("typing", showTyping);
socket.on("left", () => location.assign($("leave").dataset.rooms));
socket.on("message", (message) => {
  if (message.system) log.addLine(message.system, "staff");
  else receive(message);
});
socket.on("disconnect", () => {
  if (joined) log.addLine("Connection lost", "quiet");
  joined = false;
  lookAway();
});
socket.subscribe(channel, (error) => error && log.addLine(error.message, "staff"));
socket.presence(channel, (people, change) => showPeople(people, change, name));

function receive(message) {
  stopTyping(message.author);
  const ours = outbox.find(({ sent, text }) => sent && message.author === name && message.text === text);
  if (ours) settle(ours, message);
  else log.addMessage(message, message.author === name);
}

/** Also after the connection was lost and is back. */
function enter() {
  joined = true;
  lookBack();
  log.addLine(`You are here as ${name}`, "quiet");
  outbox.forEach(deliver);
}

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

input.focus();
