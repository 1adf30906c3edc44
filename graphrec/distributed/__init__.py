"""Several processes that train and rank one model together, on torch.distributed.

`group` knows the processes, `columns` shares embedding tables among them by columns, and `reduction` adds up what couples the
columns in a training step. Process r of W holds d / W dimensions of every row and propagates them alone; a step of b pairs with
k negatives each sends one message of b · (1 + k) partial scores, one more number with a penalty, and for cosines the squared
lengths of the rows that it looked at. What is computed from the sums is computed by every process alike.
"""
