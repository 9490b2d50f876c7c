//! `AWS_XRAY_*`.

use super::environment::Environment;
use std::fmt;
use std::str::FromStr;
use tracewright_xray::contract::variable;

/// X-Ray is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XRay {
    pub(crate) daemon: DaemonAddress,
    /// The segments' name.
    pub(crate) name: String,
    /// Requests whose host matches this pattern get segments that are named after the host.
    pub(crate) dynamic_naming: Option<String>,
    pub(crate) context_missing: ContextMissingStrategy,
}

/// What [`Telemetry::annotate`](crate::Telemetry::annotate) and its like do where no span is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContextMissingStrategy {
    /// `RUNTIME_ERROR`: the caller gets an error.
    Fail,
    /// `LOG_ERROR`
    Log,
    /// `IGNORE_ERROR`
    Ignore,
}

/// Where segments go, and where the sampling rules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DaemonAddress {
    pub(crate) udp: Address,
    pub(crate) tcp: Address,
}

/// A host by name or number, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl XRay {
    pub(super) fn read(env: &mut Environment, service_name: &str) -> Option<Self> {
        let name = variable::AWS_XRAY_DAEMON_ADDRESS;
        let address = env.text(name)?;
        // As in the X-Ray SDK for Python: what is neither yes nor no is yes.
        let switch = env
            .text("AWS_XRAY_SDK_ENABLED")
            .map(|value| value.to_ascii_lowercase());
        if matches!(
            switch.as_deref(),
            Some("n" | "no" | "f" | "false" | "off" | "0")
        ) {
            return None;
        }
        let Ok(daemon) = address.parse() else {
            env.refuse(
                name,
                "write HOST:PORT, or tcp:HOST:PORT udp:HOST:PORT; X-Ray is off",
            );
            return None;
        };
        Some(Self {
            daemon,
            name: env
                .text(variable::AWS_XRAY_TRACING_NAME)
                .unwrap_or_else(|| service_name.into()),
            dynamic_naming: env.text(variable::AWS_XRAY_URL),
            context_missing: ContextMissingStrategy::read(env),
        })
    }
}

impl ContextMissingStrategy {
    fn read(env: &mut Environment) -> Self {
        let name = "AWS_XRAY_CONTEXT_MISSING";
        match env.text(name).as_deref() {
            Some("RUNTIME_ERROR") => Self::Fail,
            None | Some("LOG_ERROR") => Self::Log,
            Some("IGNORE_ERROR") => Self::Ignore,
            Some(_) => {
                env.refuse(
                    name,
                    "write RUNTIME_ERROR, LOG_ERROR or IGNORE_ERROR; LOG_ERROR holds",
                );
                Self::Log
            }
        }
    }
}

impl FromStr for DaemonAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split_whitespace();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(both), None, _) => {
                let address: Address = both.parse()?;
                Ok(Self {
                    udp: address.clone(),
                    tcp: address,
                })
            }
            (Some(one), Some(other), None) => {
                let part = |prefix: &str| {
                    one.strip_prefix(prefix)
                        .or(other.strip_prefix(prefix))
                        .ok_or(())?
                        .parse()
                };
                Ok(Self {
                    udp: part("udp:")?,
                    tcp: part("tcp:")?,
                })
            }
            _ => Err(()),
        }
    }
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let host = match host.strip_prefix('[') {
            Some(host) => host
                .strip_suffix(']')
                .filter(|host| host.contains(':'))
                .ok_or(())?,
            None if host.contains(':') => return Err(()),
            None => host,
        };
        let valid = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if host.is_empty() || !host.chars().all(valid) {
            return Err(());
        }
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(())?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_the_address_are_read() {
        for (text, udp, tcp) in [
            ("xray-daemon:2000", "xray-daemon:2000", "xray-daemon:2000"),
            ("127.0.0.1:2000", "127.0.0.1:2000", "127.0.0.1:2000"),
            ("tcp:a:1 udp:b:2", "b:2", "a:1"),
            ("udp:b:2 tcp:a:1", "b:2", "a:1"),
            ("[::1]:2000", "[::1]:2000", "[::1]:2000"),
            ("tcp:[::1]:1 udp:[::2]:2", "[::2]:2", "[::1]:1"),
        ] {
            let address: DaemonAddress = text.parse().unwrap_or_else(|()| panic!("{text}"));
            assert_eq!(
                (address.udp.to_string(), address.tcp.to_string()),
                (udp.into(), tcp.into()),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":2000",
            "host:0",
            "host:65536",
            "a:b:1",
            "tcp:a:1",
            "tcp:a:1 tcp:b:2",
            "udp:a:1 b:2",
            "a:1 b:2 c:3",
            "[]:1",
            "[a]:1",
            "http://a:1",
        ] {
            assert_eq!(text.parse::<DaemonAddress>(), Err(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_an_address_reads_back(text in "((tcp|udp):)?[a-z0-9.:\\[\\] -]{0,20}(:[0-9]{1,6})?") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
            let _ = text.parse::<DaemonAddress>();
        }
    }
}
