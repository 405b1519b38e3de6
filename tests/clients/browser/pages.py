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
