//! `{{ path | filter }}` in a string.
