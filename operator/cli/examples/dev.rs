//! tmp
use clap::Parser;
#[derive(Parser)]
struct A { #[command(flatten)] s: tracewright::operator::settings::Settings }
fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let a = A::parse();
    tracing_subscriber::fmt().with_env_filter(&a.s.log).with_writer(std::io::stderr).with_target(false).init();
    tokio::runtime::Runtime::new().unwrap().block_on(tracewright::operator::run(a.s)).unwrap();
}
