"""The arithmetic: functions on blocks, arrays of shape ``(k, *value_shape)`` that stack k records.

They return blocks, or partials that can be merged, and never write into what they are given. They
know neither engines nor keys nor files, warn about nothing, and are called from several threads at
once; whoever does that keeps BLAS to one thread (``threadpoolctl``).
"""
