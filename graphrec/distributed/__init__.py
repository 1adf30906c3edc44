"""Several processes that train and rank one model together, on torch.distributed."""
