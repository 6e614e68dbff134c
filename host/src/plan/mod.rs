//! What will happen: the graph of a workflow, its order and its digests.
