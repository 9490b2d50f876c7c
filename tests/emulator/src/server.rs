//! The HTTP server: control interface and AWS on one port, on a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data, PayloadConfig};
use actix_web::{App, HttpServer};

use crate::emulation::Emulation;
use crate::gateway::{self, Connection};
use crate::{Options, control};

/// Largest request body, packed and unpacked: 1 MiB of log events may be six times that when written as JSON escapes.
pub(crate) const MAX_BODY: usize = 16 << 20;
/// How long an idle connection stays open: longer than SDKs keep theirs, so that none is closed under a new request.
const KEEP_ALIVE: Duration = Duration::from_secs(120);
/// Threads that serve requests.
const WORKERS: usize = 2;

/// A running emulator; dropping it stops it.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Starts an emulator and returns when it accepts connections.
    ///
    /// # Errors
    /// The address cannot be bound, or the server's thread cannot be started.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen)?;
        let address = listener.local_addr()?;
        let (started, start) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("aws-emulator".to_owned())
            .spawn(move || actix_web::rt::System::new().block_on(serve(listener, started)))?;
        let handle = start
            .recv()
            .map_err(|_| io::Error::other("the emulator's thread ended before it served"))??;
        Ok(Self {
            address,
            handle,
            thread: Some(thread),
        })
    }

    /// The endpoint URL to give to AWS SDKs: `http://127.0.0.1:4566`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The command is sent by the call; the future only waits for it, as does the join.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, started: mpsc::SyncSender<io::Result<ServerHandle>>) {
    let emulation = Data::new(Emulation::new());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&emulation))
            .app_data(PayloadConfig::new(MAX_BODY))
            .configure(control::routes)
            .default_service(web::to(gateway::aws))
    })
    .workers(WORKERS)
    .tcp_nodelay(true)
    .keep_alive(KEEP_ALIVE)
    .disable_signals()
    .on_connect(|connection, extensions| {
        if let Some(stream) = connection.downcast_ref::<TcpStream>()
            && let Ok(stream) = stream.as_fd().try_clone_to_owned()
        {
            extensions.insert(Connection(Arc::new(stream.into())));
        }
    })
    .listen(listener);
    match server {
        Ok(server) => {
            let server = server.run();
            // Nobody listens only if `start` is gone, and with it the process.
            let _ = started.send(Ok(server.handle()));
            // What ends the server early shows as refused connections.
            let _ = server.await;
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}
