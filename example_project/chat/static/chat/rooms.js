// The list of rooms: how many people are in each, and system messages to everybody.
import { socket } from "./connection.js";

function showCounts(counts) {
  for (const badge of document.querySelectorAll("[data-room]")) {
    const count = counts[badge.dataset.room] ?? 0;
    badge.dataset.count = count;
    badge.textContent = count === 1 ? "1 person" : `${count} people`;
  }
}

function ask() {
  if (socket.connected) socket.emit("rooms", showCounts);
}

socket.subscribe("rooms");
socket.on("rooms", showCounts);
socket.on("connect", ask);
setInterval(ask, 15_000); // nobody tells when people are lost together with their server

socket.on("message", ({ system }) => {
  const notice = document.createElement("p");
  notice.className = "notice system";
  notice.textContent = system;
  document.getElementById("notices").append(notice);
});
