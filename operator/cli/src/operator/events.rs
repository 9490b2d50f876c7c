//! Events about profiles. A recorder keeps all that it wrote in the last minutes, to write the same again as one Event with
//! a count; that many would be most of the operator's memory after a start, so recorders are changed before they are large.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, Recorder, Reporter};

/// Events that one recorder writes.
const OF_A_RECORDER: u32 = 100;

/// Writes Events.
pub struct Events {
    client: Client,
    reporter: Reporter,
    /// The recorder and how many it has written.
    current: Mutex<(Recorder, u32)>,
}

impl Events {
    /// Events that this reporter tells of.
    #[must_use]
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self {
            client,
            reporter,
            current: Mutex::new((recorder, 0)),
        }
    }

    /// Writes an Event about an object.
    ///
    /// # Errors
    /// The API server does not take it.
    pub async fn publish(&self, event: &Event, about: &ObjectReference) -> kube::Result<()> {
        self.recorder().publish(event, about).await
    }

    fn recorder(&self) -> Recorder {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (recorder, written) = &mut *current;
        if *written == OF_A_RECORDER {
            *recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            *written = 0;
        }
        *written += 1;
        recorder.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;

    #[tokio::test]
    async fn no_recorder_writes_more_than_its_share() {
        let nobody = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
        });
        let events = Events::new(Client::new(nobody, "default"), Reporter::from("test"));
        for _ in 0..3 * OF_A_RECORDER {
            let _ = events.recorder();
            let written = events.current.lock().map(|current| current.1).ok();
            assert!(written.is_some_and(|written| written <= OF_A_RECORDER));
        }
    }
}
