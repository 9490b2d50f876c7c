//! Writes the documents that are generated: `docs/profile.md`, `docs/environment.md` and `docs/values.md`.

mod environment;
mod reference;
mod values;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::write(root.join(reference::FILE), reference::profile())?;
    fs::write(root.join(environment::FILE), environment::environment())?;
    fs::write(root.join(values::FILE), values::read(&root)?)
}
