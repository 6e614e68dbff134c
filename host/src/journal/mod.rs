//! What happened, on disk: the append-only file of a run's events.
