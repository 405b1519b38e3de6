// Socket.IO's two adapters for Redis.
import { createAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";

export async function connect(url) {
  const client = url.startsWith("unix://")
    ? createClient({ socket: { path: url.slice("unix://".length) } })
    : createClient({ url });
  await client.connect();
  return client;
}

export async function adapterFor(url, kind) {
  if (kind === "streams") {
    return createStreamsAdapter(await connect(url));
  }
  return createAdapter(await connect(url), await connect(url));
}
