"""Ranked lists to metrics per user, to reports, to comparisons."""
