//! `crd`: prints the CustomResourceDefinition, which is what stands in `crds/`.

use std::io::{self, Write};

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use tracewright_core::crd;

use super::{Error, Outcome};
use crate::args::Output;

/// Prints the CustomResourceDefinition of ObservabilityProfile, to be piped into `kubectl apply --server-side -f -`.
#[derive(Debug, Args)]
pub struct Crd {
    /// `text` is YAML
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

impl Crd {
    /// Prints it.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn run(self, out: &mut dyn Write) -> Result<Outcome, Error> {
        let definition = crd::definition();
        let text = match self.output {
            Output::Text => yaml(&definition)?,
            Output::Json => {
                serde_json::to_string_pretty(&definition).map_err(io::Error::from)? + "\n"
            }
        };
        out.write_all(text.as_bytes())?;
        Ok(Outcome::Clean)
    }
}

/// The definition as it stands in `crds/observabilityprofiles.yaml`.
///
/// # Errors
/// None in practice: every value of the definition has a form in YAML.
pub fn yaml(definition: &CustomResourceDefinition) -> io::Result<String> {
    serde_saphyr::to_string(definition).map_err(io::Error::other)
}
