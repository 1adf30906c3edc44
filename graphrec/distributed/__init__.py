"""Several processes that train and rank one model together, on torch.distributed.

A model's tables are cut in one of two ways, which `sharing` chooses by what the model declares:

===================  ===========================================  =============================================== A contrast of
two views (SimGCL, SGL) sends the rows of its m nodes in a second message, 2 m · d / W numbers to each other process. `solving`
lets several processes solve a model in closed form, whose columns are people: each filters the signals of its own.
"""
