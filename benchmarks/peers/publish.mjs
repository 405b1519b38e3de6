// Publishes through Redis: node publish.mjs pubsub|streams URL SECONDS RATE (0: as fast as it can)
//
// "pubsub": @socket.io/redis-emitter. "streams" has no emitter: a server without a port.
// Neither tells when Redis has taken a message, so every 100 of them wait for a PING.
import { Emitter } from "@socket.io/redis-emitter";
import { Server } from "socket.io";
import { adapterFor, connect } from "./node_redis.mjs";

const [kind, url, seconds, rate] = process.argv.slice(2);
const client = await connect(url);
const emitter = kind === "streams"
  ? new Server({ adapter: await adapterFor(url, kind) })
  : new Emitter(client);

const now = () => process.hrtime.bigint();
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const begun = now();
const passed = () => Number(now() - begun) / 1e9;
const worked = process.cpuUsage();
let count = 0;

while (passed() < Number(seconds)) {
  if (Number(rate) && count / Number(rate) > passed()) {
    await sleep((count / Number(rate) - passed()) * 1000);
    continue;
  }
  emitter.to("room-1").emit("message", `T${String(now()).padStart(19, "0")}${"x".repeat(21)}`);
  count += 1;
  if (count % 100 === 0) {
    await client.ping();
  }
}
await client.ping();
const { user, system } = process.cpuUsage(worked);
console.log(JSON.stringify({ rate: count / passed(), count, cpu_us: (user + system) / count }));
process.exit(0);
