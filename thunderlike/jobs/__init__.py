"""Jobs: complete programs on files, the same on every engine.

A job is a function that a script of ``spark-submit/``, the command line or another program calls:
it takes paths and arguments, prints nothing, and raises the errors of ``thunderlike.errors``.
"""
