//! Making it happen: the loop that owns a run.
