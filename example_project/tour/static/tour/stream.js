// The last events of a stream. EventSource connects again by itself, and then gets what it has missed.
const SHOWN = 10;
const list = document.getElementById("events");

new EventSource(list.dataset.url).addEventListener("load", ({ data }) => {
  const item = document.createElement("li");
  item.textContent = `load: ${data}`;
  list.prepend(item);
  [...list.children].slice(SHOWN).forEach((old) => old.remove());
});
