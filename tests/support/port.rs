//! Ports that stay ours: a server that is stopped and started again must find its port free.
//!
//! Asking the kernel for a free port and giving it back races with every other process. Ports here are below the range
//! from which the kernel takes the local end of outgoing connections, and each is held by a lock on a file, which
//! keeps test processes that run side by side apart.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::cache;

/// Below Kubernetes' node ports (30000) and the kernel's own choice (32768).
const FIRST: u16 = 20_000;
const COUNT: u16 = 9_000;

/// A port of the loopback interface, ours until dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _reservation: File,
}

impl Port {
    /// Reserves a port that nobody listens on.
    pub(crate) fn reserve() -> io::Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = cache::folder().join("run").join("ports");
        fs::create_dir_all(&folder)?;
        for _ in 0..COUNT {
            let number = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let reservation = File::create(folder.join(number.to_string()))?;
            if reservation.try_lock().is_ok()
                && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            {
                return Ok(Self {
                    number,
                    _reservation: reservation,
                });
            }
        }
        Err(io::Error::other(format!(
            "no free port from {FIRST} on: {COUNT} were tried; are old test processes still running?"
        )))
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
