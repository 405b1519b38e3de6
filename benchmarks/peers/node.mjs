// Socket.IO on Node: node peers/node.mjs PORT [REDIS_URL pubsub|streams]
//
// At its best as its documentation says: no compression, bufferutil installed, and the HTTP request
// of each connection let go of (KEEP_REQUEST=1 keeps it). SESSIONS=1 has handshakes pass sessions and
// authentication, as its guides to express-session and Passport say. RECOVERY=1 has clients recover.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { adapterFor } from "./node_redis.mjs";
import { useSessions } from "./node_sessions.mjs";

const [port, redis, kind] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, {
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  ...(process.env.RECOVERY && { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } }),
  ...(redis && { adapter: await adapterFor(redis, kind) }),
});

if (!process.env.KEEP_REQUEST) {
  io.engine.on("connection", (connection) => { connection.request = null; });
}

if (process.env.SESSIONS) {
  useSessions(io.engine);
}

io.on("connection", (socket) => {
  socket.on("subscribe", (channel, answer) => {
    socket.join(channel);
    socket.data.channel = channel;
    answer(true);
  });
  socket.on("message", (message) => {
    if (socket.data.channel.startsWith("room-")) {
      io.to(socket.data.channel).emit("message", message);
    } else {
      socket.emit("message", message);
    }
  });
});
http.listen(Number(port), "127.0.0.1", 1024);
