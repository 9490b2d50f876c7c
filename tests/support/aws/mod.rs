//! AWS as the tests have it: the emulator in this process, and its control interface.

mod control;
mod fault;

use std::io;

use aws_emulator::{Emulator, Options};

pub use control::{Call, Calls, Control, ControlError, Counts, Stop};
pub use fault::{Fault, FaultId, When};

/// An emulator in this process, for one test; it ends when dropped.
#[derive(Debug)]
pub struct Aws {
    emulator: Emulator,
    control: Control,
}

impl Aws {
    /// Starts an emulator on a free port.
    ///
    /// # Errors
    /// No port or thread can be had.
    pub fn start() -> io::Result<Self> {
        let emulator = Emulator::start(Options::default())?;
        let control = Control::new(emulator.url());
        Ok(Self { emulator, control })
    }

    /// The endpoint URL for AWS SDKs.
    #[must_use]
    pub fn url(&self) -> String {
        self.emulator.url()
    }

    /// What was called, and what shall go wrong.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The variables that send every AWS SDK there and nowhere else.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIATRACEWRIGHTTEST1".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }
}
