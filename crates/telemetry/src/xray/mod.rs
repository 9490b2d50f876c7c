//! X-Ray: decisions by central rules, segments from spans, and the way to the receiver.

mod decide;
mod emitter;
mod origin;
mod poller;
mod recorder;
mod translate;

pub(crate) use decide::{Decider, Decision, RequestFacts};
pub(crate) use emitter::{Emitter, run as run_emitter};
pub(crate) use origin::origin;
pub(crate) use poller::{Poller, run as run_poller};
pub(crate) use recorder::Recorder;
pub(crate) use translate::{ANNOTATION, METADATA, USER};
