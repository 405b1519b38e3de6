"""Fuzz targets: what takes bytes from others, with the properties that must hold for any bytes.

``make fuzz`` runs them with a million inputs, ``test_fuzz.py`` with a few thousand, the same ones
every time.
"""
