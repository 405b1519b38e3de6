"""An event stream of the channels that its query names."""

from django.contrib.auth.mixins import LoginRequiredMixin

from django_socketio import EventStreamView


class Stream(EventStreamView):
    """Visitors choose the channels: this site has no secrets."""

    def get_channels(self, request):
        return request.GET.getlist("channel")


class Members(LoginRequiredMixin, EventStreamView):
    """A channel of the users."""

    channels = ("members",)
