//! The cache folder outside the checkout: the built programs, and the folders of running ones.

use std::env;
use std::path::PathBuf;

/// A program of the test cluster that has not been built.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not in {}: build it with `tests/cluster/build.sh {name}` (once; `make test` does it too)", folder.display())]
pub struct MissingProgram {
    name: String,
    folder: PathBuf,
}

/// `TRACEWRIGHT_CACHE`, else `tracewright` in the user's cache folder, as `tests/cluster/build.sh` has it.
pub(crate) fn folder() -> PathBuf {
    let set = |variable| env::var_os(variable).filter(|value| !value.is_empty());
    let user = || match set("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir().unwrap_or_else(env::temp_dir).join(".cache"),
    };
    set("TRACEWRIGHT_CACHE").map_or_else(|| user().join("tracewright"), PathBuf::from)
}

/// Where a file of the built programs is: `etcd`, `kwok.stages.yaml`.
///
/// # Errors
/// It has not been built; the error says how to.
pub fn program(name: &str) -> Result<PathBuf, MissingProgram> {
    let folder = folder().join("bin");
    let path = folder.join(name);
    if path.is_file() {
        Ok(path)
    } else {
        let name = name.to_owned();
        Err(MissingProgram { name, folder })
    }
}
