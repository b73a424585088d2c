"""Mapping a function over items: every executor of the package lives in this room.

It knows neither engines nor records; the local engine and the readers stand on it.
"""
