"""Several processes that train and rank one model together, on torch.distributed.

`group` knows the processes, `columns` shares embedding tables among them by columns, and `reduction` adds up what couples the
columns in a training step. Process r of W holds d / W dimensions of every row and propagates them alone; a step of b pairs with
k negatives each sends one message of b · (1 + k) partial scores, one more number with a penalty, and for cosines the squared
lengths of the rows that it looked at. What is computed from the sums is computed by every process alike. A contrast of two
views (SimGCL, SGL) sends the rows of its m nodes in a second message, 2 m · d / W numbers to each other process. `solving` lets
several processes solve a model in closed form, whose columns are people: each filters the signals of its own.
"""
