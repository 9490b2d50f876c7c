//! Keys, certificates and tokens of one control plane, as files in its folder.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;

/// Who the components and the test are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// The cluster's admin: the test.
    Admin,
    ControllerManager,
    Scheduler,
    Kwok,
}

impl Identity {
    const ALL: [Self; 4] = [
        Self::Admin,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kwok,
    ];

    /// User and group, as the roles that Kubernetes brings along name them.
    fn user(self) -> (&'static str, &'static str) {
        match self {
            Identity::Admin => ("admin", "system:masters"),
            Identity::ControllerManager => {
                ("system:kube-controller-manager", "system:authenticated")
            }
            Identity::Scheduler => ("system:kube-scheduler", "system:authenticated"),
            Identity::Kwok => ("kwok", "system:masters"),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Identity::Admin => "admin.kubeconfig",
            Identity::ControllerManager => "controller-manager.kubeconfig",
            Identity::Scheduler => "scheduler.kubeconfig",
            Identity::Kwok => "kwok.kubeconfig",
        }
    }
}

/// The files; all of them live as long as the folder.
#[derive(Debug)]
pub(super) struct Credentials {
    folder: PathBuf,
    server: SocketAddr,
}

impl Credentials {
    pub(super) const AUTHORITY: &str = "ca.crt";
    pub(super) const SERVER_CERTIFICATE: &str = "server.crt";
    pub(super) const SERVER_KEY: &str = "server.key";
    pub(super) const SERVICE_ACCOUNT_KEY: &str = "service-account.key";
    pub(super) const SERVICE_ACCOUNT_PUBLIC_KEY: &str = "service-account.pub";
    pub(super) const TOKENS: &str = "tokens.csv";

    /// Makes all files for an API server at `server`.
    pub(super) fn make(folder: &Path, server: SocketAddr) -> io::Result<Self> {
        let credentials = Self {
            folder: folder.to_owned(),
            server,
        };
        credentials.make_certificates().map_err(io::Error::other)?;
        let mut tokens = String::new();
        for identity in Identity::ALL {
            let (user, group) = identity.user();
            let token = token()?;
            tokens.push_str(&format!("{token},{user},{user},\"{group}\"\n"));
            credentials.write_kubeconfig(identity.file(), &token)?;
        }
        credentials.write(Self::TOKENS, &tokens)?;
        Ok(credentials)
    }

    /// The kubeconfig of an identity.
    pub(super) fn kubeconfig(&self, identity: Identity) -> PathBuf {
        self.folder.join(identity.file())
    }

    /// Writes a kubeconfig for whoever holds `token`.
    pub(super) fn write_kubeconfig(&self, name: &str, token: &str) -> io::Result<PathBuf> {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tracewright",
            "clusters": [{"name": "tracewright", "cluster": {
                "server": format!("https://{}", self.server),
                "certificate-authority": self.folder.join(Self::AUTHORITY),
            }}],
            "users": [{"name": "tracewright", "user": {"token": token}}],
            "contexts": [{"name": "tracewright", "context": {"cluster": "tracewright", "user": "tracewright"}}],
        });
        self.write(name, &kubeconfig.to_string())?;
        Ok(self.folder.join(name))
    }

    fn make_certificates(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let service_accounts = KeyPair::generate()?;
        self.write(Self::SERVICE_ACCOUNT_KEY, &service_accounts.serialize_pem())?;
        self.write(
            Self::SERVICE_ACCOUNT_PUBLIC_KEY,
            &service_accounts.public_key_pem(),
        )?;

        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "tracewright test authority");
        let authority_key = KeyPair::generate()?;
        self.write(
            Self::AUTHORITY,
            &authority.self_signed(&authority_key)?.pem(),
        )?;

        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![self.server.ip().to_string()])?
            .signed_by(&key, &Issuer::new(authority, authority_key))?;
        self.write(Self::SERVER_KEY, &key.serialize_pem())?;
        self.write(Self::SERVER_CERTIFICATE, &certificate.pem())?;
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(self.folder.join(name))?
            .write_all(text.as_bytes())
    }
}

/// Not to be guessed by other users of the machine.
fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat())
}
