// One of two servers of Socket.IO with the Redis adapter: a socket of one asks a socket of the other.
import { Server } from "socket.io";
import { adapterFor } from "./node_redis.mjs";

const [port, url] = process.argv.slice(2);
const io = new Server({ adapter: await adapterFor(url, "pubsub"), transports: ["websocket"] });

io.on("connection", (socket) => {
  socket.on("subscribe", (channel, answer) => {
    socket.join(channel);
    answer(true);
  });
  socket.on("measure calls", async (count, inFlight, answer) => {
    const latencies = [];
    const begin = performance.now();
    let left = count;
    await Promise.all(Array.from({ length: inFlight }, async () => {
      while (left-- > 0) {
        const asked = performance.now();
        await io.timeout(5000).to("asked").emitWithAck("who?");
        latencies.push((performance.now() - asked) / 1000);
      }
    }));
    answer([(performance.now() - begin) / 1000, latencies]);
  });
  socket.on("measure lists", async (count, people, answer) => {
    const taken = [];
    while (taken.length < count) {
      const begun = performance.now();
      const found = await io.in("here-1").fetchSockets();
      if (found.length === people) taken.push((performance.now() - begun) / 1000);
    }
    answer(taken);
  });
});
io.listen(Number(port));
