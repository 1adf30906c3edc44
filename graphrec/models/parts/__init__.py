"""What several families of models are made of; nothing here is a model."""
