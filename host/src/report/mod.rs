//! Telling someone what happens.
