//! An HTTP/1.1 server of a few lines, plain or with TLS, that does to each request what the test says.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

/// What is done to a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// This status, these headers, this body.
    Give(u16, &'static str, Vec<u8>),
    /// The same after a while.
    Late(Duration, Vec<u8>),
    /// Nothing, ever.
    Hang,
    /// The connection is closed.
    Close,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::Give(200, "", Vec::new())
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

/// A certificate for `localhost`, and whether clients must show one too.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) clients: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
}

/// The running server. It ends with its thread's runtime when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// A plain server that gives these answers and then 200 to everything.
    pub(crate) fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), answers, None)
    }

    pub(crate) fn start_at(
        address: SocketAddr,
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<&Tls>,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers.into_iter().collect()),
            ..Shared::default()
        });
        let acceptor = tls.map(acceptor);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, acceptor, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            shared,
            _stop: stop,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }
}

fn acceptor(tls: &Tls) -> TlsAcceptor {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(issuer) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificate(issuer)).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            );
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).unwrap();
    let config = builder
        .with_single_cert(vec![certificate(&tls.certificate)], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(
    listener: tokio::net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            match acceptor {
                None => serve(stream, &shared).await,
                // A client that does not trust the server goes away here.
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => serve(stream, &shared).await,
                    Err(_) => None,
                },
            }
        });
    }
}

/// Serves a connection until it is closed by either side.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let answer = shared
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(Answer::ok);
        shared.received.lock().unwrap().push(Received {
            path,
            headers,
            body,
            at: Instant::now(),
        });
        let answer = match answer {
            Answer::Late(wait, body) => {
                tokio::time::sleep(wait).await;
                Answer::Give(200, "", body)
            }
            answer => answer,
        };
        match answer {
            Answer::Give(status, headers, body) => {
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{headers}\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&body).await.ok()?;
                stream.flush().await.ok()?;
            }
            Answer::Close => return None,
            _ => tokio::time::sleep(Duration::from_secs(3_600)).await,
        }
    }
}
