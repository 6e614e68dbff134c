//! The command line: clap types and glue, one file per verb.
