// The list of rooms: how many people are in each, and system messages to everybody.
import { socket } from "./connection.js";

function showCounts(counts) {
  for (const badge of document.querySelectorAll("[data-room]")) {
    const count = counts[badge.dataset.room] ?? badge.dataset.count;
    badge.dataset.count = count;
    badge.textContent = count == 1 ? "1 person" : `${count} people`;
  }
}

socket.on("rooms", showCounts);
socket.subscribe("rooms");

socket.on("message", ({ system }) => {
  const notice = document.createElement("p");
  notice.className = "notice system";
  notice.textContent = system;
  document.getElementById("notices").append(notice);
});
