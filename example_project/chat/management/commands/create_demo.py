from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils.text import slugify
from orders.models import Order

from chat.models import Room

USERNAME = PASSWORD = "admin"  # for this example only
ROOMS = ["Lobby", "Django"]
PIZZAS = ["Margherita", "Quattro stagioni", "Funghi"]


class Command(BaseCommand):
    help = "Creates the staff user, the first rooms and the first orders, unless they are there."

    def handle(self, **options):
        users = get_user_model().objects
        if not users.filter(username=USERNAME).exists():
            users.create_superuser(USERNAME, password=PASSWORD)
        for name in ROOMS:
            Room.objects.get_or_create(slug=slugify(name), defaults={"name": name})
        if not Order.objects.exists():
            states = zip(Order.State, PIZZAS, strict=True)
            Order.objects.bulk_create(Order(pizza=pizza, state=state) for state, pizza in states)
        self.stdout.write(f"Staff user: {USERNAME} / {PASSWORD}")
