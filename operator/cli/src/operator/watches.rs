//! How the watches are doing: ready once each has listed, alive while each makes progress.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use kube::runtime::watcher::{self, Event};
use tokio::time::Instant;
use tower::Service;
use tracing::warn;

use super::http::Health;
use crate::metrics::Metrics;

/// A watch that makes no progress for this long is taken for dead. A quiet one brings nothing at all, but is ended by the
/// API server and begun anew every 290 s, and the answer to that is progress.
const DEAD_AFTER: Duration = Duration::from_secs(900);

/// The watches of the operator, by kind.
#[derive(Debug, Default)]
pub struct Watches(Mutex<BTreeMap<&'static str, Watch>>);

#[derive(Debug)]
struct Watch {
    listed: bool,
    progressed: Instant,
}

impl Watches {
    /// There is a watch of this kind.
    pub fn expect(&self, kind: &'static str) {
        self.lock().insert(
            kind,
            Watch {
                listed: false,
                progressed: Instant::now(),
            },
        );
    }

    /// A client for a watch: each good answer of the API server to it is progress. (The watch itself is silent while
    /// nothing changes, and begins a new list before it knows whether it gets one.)
    #[must_use]
    pub fn client(self: &Arc<Self>, kind: &'static str, client: &Client) -> Client {
        let progressing = Progressing {
            client: client.clone(),
            kind,
            watches: self.clone(),
        };
        Client::new(progressing, client.default_namespace())
    }

    /// A watch brought something.
    pub fn observe<K>(&self, kind: &'static str, event: &Result<Event<K>, watcher::Error>) {
        match event {
            Ok(Event::InitDone) => {
                if let Some(watch) = self.lock().get_mut(kind) {
                    watch.listed = true;
                }
            }
            Ok(Event::Apply(_) | Event::Delete(_)) => self.progressed(kind),
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => warn!(kind, %error, "the watch failed and is begun anew"),
        }
    }

    fn progressed(&self, kind: &'static str) {
        if let Some(watch) = self.lock().get_mut(kind) {
            watch.progressed = Instant::now();
        }
    }

    /// Tells metrics how old the progress of each watch is.
    pub fn report(&self, metrics: &Metrics) {
        for (kind, watch) in self.lock().iter() {
            metrics.watch_age(kind, watch.progressed.elapsed());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Watch>> {
        // Each change is one assignment, so a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for Watches {
    fn ready(&self) -> Result<(), String> {
        match self.lock().iter().find(|(_, watch)| !watch.listed) {
            None => Ok(()),
            Some((kind, _)) => Err(format!("the first list of {kind} is not in yet")),
        }
    }

    fn alive(&self) -> Result<(), String> {
        match self
            .lock()
            .iter()
            .find(|(_, watch)| watch.progressed.elapsed() >= DEAD_AFTER)
        {
            None => Ok(()),
            Some((kind, watch)) => Err(format!(
                "the watch of {kind} made no progress for {} s",
                watch.progressed.elapsed().as_secs()
            )),
        }
    }
}

/// A client whose good answers are a watch's progress.
struct Progressing {
    client: Client,
    kind: &'static str,
    watches: Arc<Watches>,
}

impl Service<Request<Body>> for Progressing {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        // The client waits for its own turn when it sends.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, kind, watches) = (self.client.clone(), self.kind, self.watches.clone());
        Box::pin(async move {
            let answer = client.send(request).await?;
            if answer.status().is_success() {
                watches.progressed(kind);
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    /// A server that always gives the same answer.
    struct Always(StatusCode);

    impl Service<Request<Body>> for Always {
        type Response = Response<Body>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Response<Body>, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = self.0;
            std::future::ready(Ok(answer))
        }
    }

    async fn begun_anew(watches: &Arc<Watches>, answer: StatusCode) {
        let client = Client::new(Always(answer), "default");
        let request = Request::new(Body::empty());
        let answered = watches.client("Namespace", &client).send(request).await;
        assert_eq!(answered.map(|it| it.status()).ok(), Some(answer));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_watch_is_alive_for_as_long_as_it_is_begun_anew() {
        let watches = Arc::new(Watches::default());
        watches.expect("Namespace");
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(290)).await;
            begun_anew(&watches, StatusCode::OK).await;
            assert_eq!(watches.alive(), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_refused_again_and_again_is_not_alive() {
        let watches = Arc::new(Watches::default());
        watches.expect("Namespace");
        for _ in 0..31 {
            tokio::time::advance(Duration::from_secs(30)).await;
            begun_anew(&watches, StatusCode::FORBIDDEN).await;
            // What the watch says before it lists, and before it knows that it may not.
            watches.observe::<()>("Namespace", &Ok(Event::Init));
        }
        let told = watches.alive().expect_err("it is dead");
        assert!(told.contains("Namespace"), "{told}");
    }

    #[test]
    fn it_is_ready_once_the_first_list_of_every_watch_is_in() {
        let watches = Arc::new(Watches::default());
        watches.expect("Namespace");
        watches.expect("Deployment");
        watches.observe::<()>("Namespace", &Ok(Event::InitDone));
        watches.observe::<()>("Deployment", &Ok(Event::Init));
        let told = watches.ready().expect_err("a list is missing");
        assert!(told.contains("Deployment"), "{told}");
        watches.observe::<()>("Deployment", &Ok(Event::InitDone));
        assert_eq!(watches.ready(), Ok(()));
    }
}
