//! tmp
fn main() {
    println!(
        "{}",
        serde_json::to_string(&tracewright_core::crd::definition()).unwrap()
    );
}
