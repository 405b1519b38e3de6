"""What Socket.IO's own protocol suite expects of the server that it tests."""

from django_socketio.events import on_connect, on_event

for _namespace in ("/", "/custom"):

    @on_connect(namespace=_namespace)
    def tell_auth(request, socket, context):
        socket.emit("auth", socket.auth)

    @on_event("message", namespace=_namespace)
    def send_back(request, socket, context, *args):
        socket.emit("message-back", *args)

    @on_event("message-with-ack", namespace=_namespace)
    def acknowledge(request, socket, context, *args):
        return args
