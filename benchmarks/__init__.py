"""Measured claims: ``python -m benchmarks speed | quality | scale``. Not part of the installed package."""
