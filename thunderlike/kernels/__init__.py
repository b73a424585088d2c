"""Numerical functions of blocks, arrays of shape ``(k, *value_shape)`` that stack k records.

They return blocks, or partials that can be merged, and never write into their arguments. They
know neither engines nor keys nor files, issue no warnings, and are called from several threads at
once by callers that limit BLAS to one thread (``threadpoolctl``).
"""
