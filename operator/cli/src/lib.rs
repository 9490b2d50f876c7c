//! The operator and its commands: all input and output.
