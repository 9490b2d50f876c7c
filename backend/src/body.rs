//! The body of a POST, bounded in size and in time.

use crate::page::Failure;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::rt::time::timeout;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures::{Stream, StreamExt};
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

/// Larger bodies are answered 413; the original takes any.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A body that takes longer is answered 408. gunicorn, the original's server, gives a request up after as long.
const MAX_TIME: Duration = Duration::from_secs(30);

/// A body, or why there is none.
pub(crate) struct Body(pub(crate) Result<Bytes, Failure>);

impl FromRequest for Body {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Infallible>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        // With `Upgrade` the server takes all that comes for the body, whatever its length was said to be.
        let length = (!headers.contains_key(header::TRANSFER_ENCODING)).then(|| {
            let declared = headers.get(header::CONTENT_LENGTH);
            declared
                .and_then(|length| length.to_str().ok()?.parse().ok())
                .unwrap_or(0)
        });
        let reading = read(payload.take(), length);
        Box::pin(async move {
            let read = timeout(MAX_TIME, reading).await;
            Ok(Self(read.unwrap_or(Err(Failure::TooSlow))))
        })
    }
}

/// Reads `length` bytes, or all where it is not known before.
async fn read(
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    length: Option<usize>,
) -> Result<Bytes, Failure> {
    if length.is_some_and(|length| length > MAX_BYTES) {
        return Err(Failure::TooLarge);
    }
    let mut body = BytesMut::new();
    while length.is_none_or(|length| body.len() < length) {
        let Some(chunk) = payload.next().await else {
            break;
        };
        body.extend_from_slice(&chunk.map_err(|_| Failure::BadRequest)?);
        if body.len() > MAX_BYTES {
            return Err(Failure::TooLarge);
        }
    }
    body.truncate(length.unwrap_or(MAX_BYTES));
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use futures::stream;

    type Chunk = Result<Bytes, PayloadError>;

    async fn read_with(
        header: (&str, &str),
        chunks: impl Stream<Item = Chunk> + 'static,
    ) -> Result<Bytes, Failure> {
        let request = TestRequest::default()
            .insert_header(header)
            .to_http_request();
        let chunks: Pin<Box<dyn Stream<Item = Chunk>>> = Box::pin(chunks);
        let mut payload = Payload::from(chunks);
        let Ok(Body(body)) = Body::from_request(&request, &mut payload).await;
        body
    }

    fn text(text: &'static str) -> Chunk {
        Ok(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let slow = stream::iter([text("{")]).chain(stream::pending());
        let read = read_with(("content-length", "9"), slow).await;
        assert!(matches!(read, Err(Failure::TooSlow)), "{read:?}");
    }

    #[tokio::test]
    async fn what_comes_after_the_body_is_none_of_it() {
        let endless = stream::iter([text("ab"), text("cdef")]).chain(stream::pending());
        let read = read_with(("content-length", "3"), endless).await;
        assert_eq!(read.unwrap(), "abc");
        let read = read_with(("x-none", ""), stream::pending()).await;
        assert_eq!(read.unwrap(), "");
    }

    #[tokio::test]
    async fn neither_a_length_nor_chunks_make_a_body_larger_than_the_bound() {
        let declared = read_with(("content-length", "8388609"), stream::pending()).await;
        assert!(matches!(declared, Err(Failure::TooLarge)), "{declared:?}");
        let mebibyte = Bytes::from(vec![b' '; 1024 * 1024]);
        let chunks = move |number| stream::iter(vec![mebibyte.clone(); number]).map(Ok);
        let chunked = ("transfer-encoding", "chunked");
        assert_eq!(
            read_with(chunked, chunks(8)).await.unwrap().len(),
            MAX_BYTES
        );
        let more = chunks(8).chain(stream::iter([text("x")]));
        let read = read_with(chunked, more).await;
        assert!(matches!(read, Err(Failure::TooLarge)), "{read:?}");
    }
}
