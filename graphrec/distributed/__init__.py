"""Several processes that train and rank one model together, on torch.distributed.

A model's tables are cut in one of two ways, which `sharing` chooses by what the model declares:

===================  ===========================================  ======================================================
what                 columns (`columns`, `reduction`)             rows (`rows`, `row_reduction`)
===================  ===========================================  ======================================================
process r of W has   d / W dimensions of every row                all dimensions of N / W rows, and their neighbours
for models           that never mix dimensions: LightGCN, MF      that do: NGCF, NeuMF, GMF, MLP; MF with biases
of a batch it takes  all pairs, with partial scores               b / W pairs, with rows that it fetches (`exchange`)
a hop                is made alone                                is made when the rows of all have come (`own_rows`)
a step sends         b (1 + k) sums, whatever the graph           rows and gradients of the batch; with hops, of the graph
other weights        there are none                               are in every process, their gradients added up
dropout              is refused                                   draws the masks of one process (`masks`)
===================  ===========================================  ======================================================

With columns, a penalty adds one number to a step's message, and cosines the squared lengths of the rows that it looked at. A
contrast of two views (SimGCL, SGL) sends the rows of its m nodes in a second message, 2 m · d / W numbers to each other
process.

What is computed from sums, or from scores of all, is computed by every process alike. `group` knows the processes and carries
their messages. After a training every process has whole tables again; during it `whole_view` shows them to rankings. `solving`
lets several processes solve a model in closed form, whose columns are people: each filters the signals of its own.
"""
