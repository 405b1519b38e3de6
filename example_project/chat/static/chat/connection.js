// The connection of a page, and the dot in its header which tells how it is.
const badge = document.getElementById("connection-state");

function show(state, text) {
  badge.dataset.state = document.body.dataset.connection = state;
  badge.textContent = text;
}

export const socket = new io.Socket();
socket.on("connect", () => show("connected", "Connected"));
socket.on("disconnect", () => show("connecting", "Reconnecting…"));
socket.on("connect_error", () => show("offline", "Offline"));
socket.connect();
