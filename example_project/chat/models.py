from django.db import models
from django.urls import reverse
from django.utils import timezone

from django_socketio import presence, presence_count

MESSAGES_KEPT = 50
NAME_LENGTH = 30
ROOM_NAME_LENGTH = 40
TEXT_LENGTH = 500


class Room(models.Model):
    name = models.CharField(max_length=ROOM_NAME_LENGTH)
    slug = models.SlugField(max_length=ROOM_NAME_LENGTH, unique=True, allow_unicode=True)

    class Meta:
        ordering = ("name",)

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("room", args=[self.slug])

    @property
    def channel(self):
        return f"room-{self.slug}"

    @property
    def head_count(self):
        return presence_count(self.channel)

    def has_somebody_named(self, name):
        people = presence(self.channel)
        return any(person.info["name"].casefold() == name.casefold() for person in people)

    def history(self):
        return [message.as_dict() for message in self.messages.all()]

    def forget_old_messages(self):
        newest_first = self.messages.order_by("-pk").values_list("pk", flat=True)
        self.messages.filter(pk__in=list(newest_first[MESSAGES_KEPT:])).delete()


class Message(models.Model):
    room = models.ForeignKey(Room, models.CASCADE, related_name="messages")
    author = models.CharField(max_length=NAME_LENGTH)
    text = models.TextField(max_length=TEXT_LENGTH)
    time = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("pk",)

    def __str__(self):
        return f"{self.author}: {self.text}"

    def as_dict(self):
        time = self.time.isoformat()
        return {"id": self.pk, "author": self.author, "text": self.text, "time": time}
