from django.forms import modelform_factory
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from .models import Order

OrderForm = modelform_factory(Order, fields=["number", "pizza"])


def orders(request):
    form = OrderForm(request.POST or None)
    if form.is_valid():
        form.save()
        return redirect("orders")
    return render(request, "orders/orders.html", {"form": form, "orders": Order.objects.all()})


@require_POST
def change(request):
    """Bring an order to its next state; delete it after the last one."""
    number = request.POST.get("order", "")
    order = get_object_or_404(Order, pk=number if number.isdecimal() else None)
    if order.next_state is None:
        order.delete()
    else:
        order.state = order.next_state
        order.save()
    return redirect("orders")
