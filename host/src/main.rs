//! shiro: see the library.

fn main() {}
