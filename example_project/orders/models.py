from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from django_socketio import publish_model


class Order(models.Model):
    class State(models.TextChoices):
        NEW = "new", "New"
        BAKING = "baking", "In the oven"
        READY = "ready", "Ready"

    pizza = models.CharField(max_length=40)
    number = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)]
    )
    state = models.CharField(max_length=10, choices=State, default=State.NEW)

    class Meta:
        ordering = ("pk",)

    def __str__(self):
        return f"{self.number} x {self.pizza}"

    @property
    def next_state(self):
        """The state that follows; None after the last one."""
        states = list(self.State)
        position = states.index(self.state) + 1
        return states[position] if position < len(states) else None


# The page is on the channel "orders". Whoever saves or deletes an order, it is shown at once.
publish_model(Order, channel="orders", template="orders/order.html")
