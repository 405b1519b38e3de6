"""What people may enter, on a page or through a socket: the same kind of form checks both."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from .models import NAME_LENGTH, ROOM_NAME_LENGTH, TEXT_LENGTH, Message, Room


def text_field(length, when_empty, **options):
    too_long = "This has %(show_value)d characters; at most %(limit_value)d are possible."
    texts = {"required": when_empty, "max_length": too_long}
    return forms.CharField(max_length=length, error_messages=texts, **options)


class RoomForm(forms.ModelForm):
    name = text_field(
        ROOM_NAME_LENGTH,
        "Please give the room a name.",
        widget=forms.TextInput({"id": "room-name", "autocomplete": "off"}),
    )

    class Meta:
        model = Room
        fields = ("name",)

    def clean_name(self):
        """Make the slug, which is the address of the room, out of its name."""
        name = self.cleaned_data["name"]
        self.instance.slug = slugify(name, allow_unicode=True)
        if not self.instance.slug:
            raise ValidationError("Please use at least one letter or digit.")
        if len(self.instance.slug) > ROOM_NAME_LENGTH:  # a letter such as "½" becomes several
            raise ValidationError("Please choose a shorter name.")
        if Room.objects.exclude(pk=self.instance.pk).filter(slug=self.instance.slug).exists():
            raise ValidationError("There is already a room with this name.")
        return name


class NameForm(forms.Form):
    """The name of a visitor, for as long as the Django session lasts."""

    name = text_field(
        NAME_LENGTH,
        "Please enter a name.",
        label="Your name",
        widget=forms.TextInput({"autocomplete": "nickname", "autofocus": True}),
    )

    def __init__(self, room, *args, **options):
        super().__init__(*args, **options)
        self.room = room

    def clean_name(self):
        name = self.cleaned_data["name"]
        if self.room.has_somebody_named(name):
            raise ValidationError("Somebody here has this name already. Please choose another one.")
        return name


class MessageForm(forms.ModelForm):
    text = text_field(TEXT_LENGTH, "Please write something.")

    class Meta:
        model = Message
        fields = ("text",)


class SystemMessageForm(forms.Form):
    room = forms.ModelChoiceField(Room.objects.all(), required=False, empty_label="All rooms")
    text = text_field(TEXT_LENGTH, "Please write something.", widget=forms.Textarea({"rows": 3}))
