"""Reading what the view for Prometheus answers."""

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families


def samples_of(text, by_process=False):
    """Return the numbers by name and by the values of the labels; without that of the process."""
    found = defaultdict(dict)
    text = text.decode() if isinstance(text, bytes) else text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {
                key: one for key, one in sample.labels.items() if key not in ("process", "le")
            }
            key = tuple(labels.values())
            if by_process:
                key = (sample.labels["process"], *key)
            found[sample.name][key] = sample.value
    return dict(found)
