"""What every other model is measured against."""
