"""Models over other models and metadata."""
