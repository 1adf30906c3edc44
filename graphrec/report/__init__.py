"""Pictures of trainings, models and recommendations."""
