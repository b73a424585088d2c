"""Whole jobs: files in, files out, the same lines on every engine.

A job is a function that the command line, ``spark-submit/`` and other people's programs can call. It
knows nothing of terminals: it takes paths and arguments, and raises errors of ``thunderlike.errors``.
"""
