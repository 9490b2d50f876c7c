//! The `tracewright` program.
fn main() -> std::process::ExitCode {
    tracewright::run(std::env::args_os())
}
