from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils.text import slugify

from chat.models import Room

USERNAME = PASSWORD = "admin"  # for this example only
ROOMS = ["Lobby", "Django"]


class Command(BaseCommand):
    help = "Creates the staff user and the first rooms of the example, unless they are there."

    def handle(self, **options):
        users = get_user_model().objects
        if not users.filter(username=USERNAME).exists():
            users.create_superuser(USERNAME, password=PASSWORD)
        for name in ROOMS:
            Room.objects.get_or_create(slug=slugify(name), defaults={"name": name})
        self.stdout.write(f"Staff user: {USERNAME} / {PASSWORD}")
