// Timers of a page in the background are slowed down to one a minute, those of a worker are not.
setInterval(() => postMessage("beat"), 5_000);
