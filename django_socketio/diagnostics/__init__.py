"""What ``manage.py socketio_doctor`` finds out about a site."""
