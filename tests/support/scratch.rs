//! Folders that belong to one running process and go with it, even when it is killed.
//!
//! A test binary keeps its control plane in a static, and statics are never dropped; so each folder holds a locked
//! file, the kernel releases the lock when the process ends in whatever way, and the next process to come sweeps.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache;

const OWNER: &str = "owner.lock";

/// A folder of this process, removed when dropped. After a panic it stays for a look at its logs, until the next
/// process sweeps.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _owner: File,
}

impl Scratch {
    /// Makes an empty folder whose name begins with `purpose`.
    pub(crate) fn new(purpose: &str) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folders = cache::folder().join("run");
        fs::create_dir_all(&folders)?;
        // Between its making and its locking a folder looks abandoned.
        let sweeping = File::create(folders.join("sweep.lock"))?;
        sweeping.lock()?;
        sweep(&folders)?;
        let path = folders.join(format!("{purpose}-{}-{count}", std::process::id()));
        fs::create_dir(&path)?;
        let owner = File::create(path.join(OWNER))?;
        owner.lock()?;
        Ok(Self {
            path,
            _owner: owner,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What cannot be removed now is swept by the next process.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn sweep(folders: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folders)? {
        let path = entry?.path();
        if path.is_dir() && path.join(OWNER).exists() && abandoned(&path) {
            // Another user's, perhaps; then it is theirs to remove.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

fn abandoned(path: &Path) -> bool {
    File::open(path.join(OWNER)).is_ok_and(|owner| owner.try_lock().is_ok())
}
