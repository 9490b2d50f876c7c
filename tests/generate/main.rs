//! Writes the documents that are generated: `docs/profile.md`.

mod reference;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(reference::FILE);
    fs::write(file, reference::profile())
}
