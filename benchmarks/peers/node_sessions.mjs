// Sessions and users for the handshakes of Socket.IO on Node.
import session from "express-session";
import passport from "passport";

export function useSessions(engine) {
  const handshakesOnly = (middleware) => (request, response, next) =>
    request._query.sid === undefined ? middleware(request, response, next) : next();
  const sessions = session({ secret: "only for benchmarks", resave: false, saveUninitialized: false });
  engine.use(handshakesOnly(sessions));
  engine.use(handshakesOnly(passport.session()));
}
