from datetime import timedelta

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

MESSAGES_KEPT = 50
NAME_LENGTH = 30
ROOM_NAME_LENGTH = 40
TEXT_LENGTH = 500
PATIENCE = timedelta(seconds=15)  # three times the beat of beat.js


def is_present(prefix=""):
    """The condition for somebody who was heard of lately."""
    return Q(**{f"{prefix}seen__gt": timezone.now() - PATIENCE})


class RoomQuerySet(models.QuerySet):
    def with_head_count(self):
        here = models.Count("people", filter=is_present("people__"))
        return self.annotate(head_count=here)

    def head_counts(self):
        """How many people are in each room, by its slug."""
        return dict(self.with_head_count().values_list("slug", "head_count"))


class Room(models.Model):
    name = models.CharField(max_length=ROOM_NAME_LENGTH)
    slug = models.SlugField(max_length=ROOM_NAME_LENGTH, unique=True, allow_unicode=True)

    objects = RoomQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("room", args=[self.slug])

    @property
    def channel(self):
        return f"room-{self.slug}"

    def names(self):
        """The names of everybody in the room."""
        return list(self.people.filter(is_present()).values_list("name", flat=True))

    @transaction.atomic
    def seat(self, person):
        """Let somebody in, or stay in; say whether it worked: another tab may have the name."""
        self.people.exclude(is_present()).delete()
        mine = {"name": person.name, "token": person.token, "session": person.session}
        self.people.filter(Q(token=person.token) | Q(session=person.session)).delete()
        return self.people.get_or_create(name__iexact=person.name, defaults=mine)[1]

    def history(self):
        return [message.as_dict() for message in self.messages.all()]

    def forget_old_messages(self):
        newest_first = self.messages.order_by("-pk").values_list("pk", flat=True)
        self.messages.filter(pk__in=list(newest_first[MESSAGES_KEPT:])).delete()


class Person(models.Model):
    """Somebody in a room, for as long as their page is open.

    A closed page deletes its row at once (see events.py). When a server crashes nobody can do
    that, so every page repeats that it is still there (see beat.js), and a row not heard of
    lately no longer counts. Because each row stands for itself, this stays right after a
    restart, and with any number of servers on the same database.
    """

    room = models.ForeignKey(Room, models.CASCADE, related_name="people")
    name = models.CharField(max_length=NAME_LENGTH)
    # The secret of a tab: whoever has it may take the name over from a lost connection.
    token = models.CharField(max_length=64)
    session = models.CharField(max_length=64)  # of the socket which stands for this person
    seen = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = (Lower("name"),)
        verbose_name_plural = "people"
        constraints = (models.UniqueConstraint("room", Lower("name"), name="unique_name_in_room"),)

    def __str__(self):
        return self.name


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
