"""Code that runs in a page."""


def js(page, code, arg=None):
    """Run the body of an asynchronous JavaScript function, and return what it returns.

    ``arg`` is what ``arg`` is in the code. helpers.js has the functions at hand.
    """
    return page.evaluate(f"async (arg) => {{ {code} }}", arg)


def sent_frames(page):
    """Return a list to which the frames are added that the page's next WebSockets send."""
    frames = []

    def watch(websocket):
        websocket.on("framesent", note)

    def note(frame):
        frames.append(frame)

    page.on("websocket", watch)
    return frames


HOLD = """
  const frames = [];
  let isHeld = false;
  window.arrived = [];
  window.WebSocket = class extends WebSocket {
    constructor(url) {
      super(url);
      this.addEventListener("message", ({ data }) => arrived.push(data));
    }
    send(frame) { if (isHeld) frames.push(() => super.send(frame)); else super.send(frame); }
  };
  window.hold = () => { isHeld = true; arrived.length = 0; };
  window.release = () => { isHeld = false; frames.splice(0).forEach((send) => send()); };
  const hasArrived = (beginning) => arrived.some((one) => one.startsWith(beginning));
  window.until_arrived = (beginning) => until(() => hasArrived(beginning));
"""
"""Has what the page's next WebSockets send wait between ``hold()`` and ``release()``."""
