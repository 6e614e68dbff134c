//! Nothing: each file beside this one is a component of its own. `README.md` says what each does.
