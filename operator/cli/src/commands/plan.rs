//! `plan`: shows what the operator would do in AWS for profiles that nobody has applied yet.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use tracewright_core::observed::Quotas;

use super::{Error, Outcome};
use crate::args::Output;
use crate::lint::{self, Level};
use crate::plan::cluster::Surroundings;
use crate::plan::{self, Settings};

/// Compares profiles with the AWS account, and with the cluster if there is one, and shows what applying them would
/// change. Writes nothing anywhere.
#[derive(Debug, Args)]
#[command(after_help = "\
In the output, + is created, ~ changed, - deleted, = in sync, and ! left alone for the reason that is given.
Exit codes: 0 nothing would change, 1 something would change or is left alone, 2 error.")]
pub struct Plan {
    /// Files or folders of manifests; - is the standard input. Documents of other kinds are ignored
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// `json` is an object with the same content
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// Namespace of profiles that name none [default: the kubeconfig's]
    #[arg(long, short)]
    namespace: Option<String>,
    /// Looks at no cluster: what it would say is assumed, and the assumptions are shown
    #[arg(long)]
    no_cluster: bool,
    /// Name of the cluster in tags of AWS objects, if the operator has one [default: the UID of namespace kube-system]
    #[arg(long, env = "TRACEWRIGHT_CLUSTER_NAME")]
    cluster_name: Option<String>,
    /// AWS region of profiles that name none
    #[arg(long, env = "AWS_REGION")]
    region: Option<String>,
    /// URL that replaces the endpoints of all AWS services, for example of an emulator
    #[arg(long, env = "TRACEWRIGHT_AWS_ENDPOINT_URL")]
    aws_endpoint_url: Option<String>,
    /// X-Ray groups that AWS allows in an account and region
    #[arg(long, env = "TRACEWRIGHT_QUOTA_GROUPS", default_value_t = 25)]
    quota_groups: usize,
    /// Custom sampling rules that AWS allows in an account and region
    #[arg(long, env = "TRACEWRIGHT_QUOTA_SAMPLING_RULES", default_value_t = 25)]
    quota_sampling_rules: usize,
}

impl Plan {
    /// Prints what would change.
    ///
    /// # Errors
    /// [`Error::Source`] if a file cannot be read, [`Error::Invalid`] if a profile is, [`Error::NoProfiles`] if there is
    /// none, [`Error::Plan`] if an account cannot be read, [`Error::Output`].
    pub fn run(self, out: &mut dyn Write) -> Result<Outcome, Error> {
        let (report, declared) =
            lint::examine(&lint::read(&self.files, &mut io::stdin().lock()).all()?);
        if report.has(Level::Error) {
            lint::text(&report, &mut anstream::stderr())?;
            return Err(Error::Invalid);
        }
        if declared.is_empty() {
            return Err(Error::NoProfiles);
        }
        let settings = Settings {
            region: self.region,
            endpoint_url: self.aws_endpoint_url,
            cluster_name: self.cluster_name,
            quotas: Quotas {
                groups: self.quota_groups,
                rules: self.quota_sampling_rules,
            },
        };
        let planned = super::runtime()?.block_on(async {
            let mut surroundings = match self.no_cluster {
                true => Surroundings::assumed("no cluster was looked at (--no-cluster)"),
                false => Surroundings::look().await,
            };
            surroundings.namespace = self.namespace.or(surroundings.namespace);
            plan::plan(declared, &report.findings, &settings, &surroundings).await
        })?;
        match self.output {
            Output::Text => plan::text(&planned, out)?,
            Output::Json => plan::json(&planned, out)?,
        }
        Ok(if planned.finds_anything() {
            Outcome::Findings
        } else {
            Outcome::Clean
        })
    }
}
