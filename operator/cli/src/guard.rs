//! Between the operator and the API server: no write begins without the permit, and none outlasts it.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tower::{BoxError, Layer, Service};

use crate::lease::Permit;

/// Why a write was not sent, or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not hold the lease, so it does not write")]
pub struct NoPermit;

/// A client whose writes need the permit.
///
/// # Errors
/// The configuration names no way to reach an API server.
pub fn client(config: kube::Config, permit: Permit) -> Result<Client, kube::Error> {
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&Guard(permit))
        .build())
}

/// Puts [`Guarded`] before a connection.
#[derive(Clone, Debug)]
struct Guard(Permit);

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded {
            inner,
            permit: self.0.clone(),
        }
    }
}

/// A connection that carries writes only while the permit holds.
#[derive(Clone, Debug)]
struct Guarded<S> {
    inner: S,
    permit: Permit,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Error = BoxError>,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.method().is_safe() {
            return Box::pin(self.inner.call(request));
        }
        if !self.permit.holds() {
            return Box::pin(std::future::ready(Err(NoPermit.into())));
        }
        let (write, permit) = (self.inner.call(request), self.permit.clone());
        Box::pin(async move {
            tokio::select! {
                biased;
                answer = write => answer,
                () = permit.ended() => Err(NoPermit.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;
    use tokio::time::Instant;

    use super::*;
    use crate::lease;

    /// A server that takes its time.
    #[derive(Clone)]
    struct Slow(Duration);

    impl Service<Request<Body>> for Slow {
        type Response = ();
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let time = self.0;
            Box::pin(async move {
                tokio::time::sleep(time).await;
                Ok(())
            })
        }
    }

    async fn ask(permit: &Permit, method: Method, takes: u64) -> Result<(), String> {
        let mut guarded = Guard(permit.clone()).layer(Slow(Duration::from_secs(takes)));
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        guarded
            .call(request)
            .await
            .map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_needs_the_permit_and_a_read_does_not() {
        let (holder, permit) = lease::permit();
        assert_eq!(ask(&permit, Method::GET, 0).await, Ok(()));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(ask(&permit, method, 0).await, Err(NoPermit.to_string()));
        }
        holder.send_replace(Some(Instant::now() + Duration::from_secs(6)));
        assert_eq!(ask(&permit, Method::PATCH, 0).await, Ok(()));
        assert_eq!(ask(&Permit::always(), Method::PATCH, 0).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_cut_off_before_another_replica_may_begin() {
        let (holder, permit) = lease::permit();
        let began = Instant::now();
        holder.send_replace(Some(began + Duration::from_secs(6)));
        assert_eq!(
            ask(&permit, Method::PATCH, 60).await,
            Err(NoPermit.to_string())
        );
        let took = began.elapsed().as_secs_f32();
        assert!((6.0..10.0).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_write_goes_on_while_the_permit_is_renewed() {
        let (holder, permit) = lease::permit();
        holder.send_replace(Some(Instant::now() + Duration::from_secs(6)));
        let renewals = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                holder.send_replace(Some(Instant::now() + Duration::from_secs(6)));
            }
        });
        assert_eq!(ask(&permit, Method::PATCH, 60).await, Ok(()));
        renewals.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_cut_off_at_once_when_another_replica_has_the_lease() {
        let (holder, permit) = lease::permit();
        let began = Instant::now();
        holder.send_replace(Some(began + Duration::from_secs(6)));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            holder.send_replace(None);
        });
        assert!(ask(&permit, Method::POST, 60).await.is_err());
        assert_eq!(began.elapsed().as_secs(), 1);
    }
}
