"""The Django project that the benchmarks serve with django-socketio."""
