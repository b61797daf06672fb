//! The `lbench` command.
fn main() {}
