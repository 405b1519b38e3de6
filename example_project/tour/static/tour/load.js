// A plot of the last minute. The history of the channel comes first, then each new number.
import { socket } from "../chat/connection.js";

const SHOWN = 60;
const HEIGHT = 20; // of the picture, in its own units
const values = [];
const line = document.querySelector("#plot polyline");
const now = document.getElementById("now");

function draw() {
  const most = Math.max(10, ...values);
  const points = values.map((value, at) => `${SHOWN - values.length + at},${HEIGHT * (1 - value / most)}`);
  line.setAttribute("points", points.join(" "));
  now.textContent = `${values.at(-1)} % now, ${Math.max(...values)} % at most`;
}

socket.on("load", (percent) => {
  values.push(percent);
  values.splice(0, values.length - SHOWN);
  draw();
});
socket.subscribe("load");
