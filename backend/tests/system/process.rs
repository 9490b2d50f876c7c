//! Processes that end with their owner.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(
        program: &Path,
        arguments: &[&str],
        variables: &[(String, String)],
        folder: &Path,
    ) -> Self {
        let output = |name| Stdio::from(File::create(folder.join(name)).unwrap());
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output("out"))
            .stderr(output("err"))
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{}: {error}", program.display())))
    }

    pub(crate) fn terminate(&mut self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
