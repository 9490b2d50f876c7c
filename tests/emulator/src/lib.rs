//! A strict emulator of X-Ray, CloudWatch Logs and STS, over their real wire protocols on one port.
//!
//! Unmodified AWS SDKs and command lines work against it by endpoint URL. Tests start one in their own process and
//! steer it over HTTP (see README.md for the control interface):
//!
//! ```
//! let emulator = aws_emulator::Emulator::start(aws_emulator::Options::default())?;
//! assert!(emulator.url().starts_with("http://127.0.0.1:"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod accounts;
mod busy;
mod calls;
mod clock;
mod control;
mod emulation;
mod error;
mod faults;
mod gateway;
mod glob;
mod ids;
mod limits;
mod logs;
mod model;
mod page;
mod server;
mod service;
mod state;
mod stops;
mod sts;
mod tags;
mod wire;
mod xray;

use std::net::{Ipv4Addr, SocketAddr};

pub use server::Emulator;

/// How to start an [`Emulator`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen. Port 0, the default, takes a free port of the loopback interface.
    pub listen: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
        }
    }
}
